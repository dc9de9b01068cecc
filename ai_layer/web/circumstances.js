// Which Conditions are circumstances of life rather than of health: by category, or by these findings of SNOMED CT.
// http://hl7.org/fhir/us/core/StructureDefinition-us-core-condition-problems-health-concerns.html (category sdoh)
const FINDINGS = new Set([
  "224295006", "224299000", "473461003", "5251000175109", // schooling
  "160903007", "160904001", "73438004", "741062008", // work
  "422650009", "423315002", // company
  "32911000", "105531004", "713458007", // housing, transport
  "706893006", "424393004", // violence
  "446654005", "266948004", "160968000", // refugee, criminal record, risk activity
]);
const CATEGORIES = new Set(["sdoh", "social-history"]);
const codes = (concept) => (concept?.coding || []).map((coding) => coding.code);

export const isCircumstance = (condition) =>
  (condition.category || []).some((category) => codes(category).some((code) => CATEGORIES.has(code))) || codes(condition.code).some((code) => FINDINGS.has(code));
