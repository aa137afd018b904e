export {
  type KeyHash,
  LANES,
  monotonicNow,
  RecordSpace,
  SharedRecord,
  SharedRecords,
  sharedBytes,
} from './shared-records.ts'
