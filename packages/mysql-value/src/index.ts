export { captureTable } from './capture.ts'
export type { DescribeOptions } from './describe.ts'
export { describeTables } from './describe.ts'
export type {
  ColumnDescription,
  Flavour,
  ForeignKey,
  KeyDescription,
  KeyPart,
  RunQuery,
  TableDescription,
  Trigger
} from './description.ts'
export { identityOf, schemaDifferences } from './differences.ts'
export { imageOf, imageText } from './image.ts'
export type { CapturePlan, SchemaDifference, TargetPlan, TargetPlanning } from './plan.ts'
export { quoteBytes, quoteIdentifier, quoteTable, quoteText } from './quote.ts'
export { LENIENT_SQL_MODE, lenientInsert, SESSION_SQL, SQL_MODE } from './session.ts'
export { planTarget } from './target.ts'
