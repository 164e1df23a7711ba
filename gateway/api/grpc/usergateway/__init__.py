"""The API's packages, by their names in the .proto."""
