
      export interface PossibleTypesResultData {
        possibleTypes: {
          [key: string]: string[]
        }
      }
      const result: PossibleTypesResultData = {
  "possibleTypes": {
    "Node": [
      "Department",
      "Organization",
      "Role",
      "User"
    ]
  }
};
      export default result;
    