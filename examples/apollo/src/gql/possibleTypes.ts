
      export interface PossibleTypesResultData {
        possibleTypes: {
          [key: string]: string[]
        }
      }
      const result: PossibleTypesResultData = {
  "possibleTypes": {
    "Node": [
      "Account",
      "Department",
      "Location",
      "Machine",
      "Organization",
      "ProductionStep",
      "Role",
      "ScanningStation",
      "User"
    ]
  }
};
      export default result;
    