import type { CorpusRow } from './corpus.ts'
import { hostileChunked } from './hostile-chunked.ts'
import { hostileFraming } from './hostile-framing.ts'
import { hostileHeaderSyntax } from './hostile-header-syntax.ts'
import { hostileHost } from './hostile-host.ts'
import { hostileInternalHeaders } from './hostile-internal-headers.ts'
import { hostilePathAndKey } from './hostile-path-and-key.ts'
import { hostileRequestLine } from './hostile-request-line.ts'

export const hostileCorpus: Readonly<Record<string, readonly CorpusRow[]>> = {
  'request line': hostileRequestLine,
  host: hostileHost,
  'header syntax': hostileHeaderSyntax,
  framing: hostileFraming,
  chunks: hostileChunked,
  'internal headers': hostileInternalHeaders,
  'paths and keys': hostilePathAndKey
}
