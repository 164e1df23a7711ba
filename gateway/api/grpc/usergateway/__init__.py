"""The packages of the API, by their names in the .proto."""
