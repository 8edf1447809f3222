/**
 * The header contract between gateways, and between a gateway and the app. Values:
 *
 * - `x-cellway-cell`: the cell that serves the request.
 * - `x-cellway-space`, `x-cellway-bucket`, `x-cellway-key`: percent-encoded (RFC 3986 unreserved characters stay); absent without a bucket.
 *   The key is absent too where the bucket has none (single spaces, bucket-carrying ids).
 * - `x-cellway-epoch`: decimal; absent without a bucket.
 * - `x-cellway-hop`: `0` from the gateway of the same cell, `1;from=<cell>` across cells.
 * - `x-cellway-sig`: `v1;exp=<unix seconds>;mac=<base64url of HMAC-SHA-256>` over
 *   `cellway-context-v1\n` + cell, space, bucket, epoch, key, hop, exp, each followed by `\n`, as they stand in the headers (absent = empty).
 */
export interface RequestContext {
  readonly cell: string
  readonly space: string | undefined
  readonly bucket: string | undefined
  readonly epoch: number | undefined
  readonly key: string | undefined
  readonly hop: { readonly count: number; readonly from: string | undefined }
}

export const CONTEXT_HEADERS = [
  'x-cellway-cell',
  'x-cellway-space',
  'x-cellway-bucket',
  'x-cellway-epoch',
  'x-cellway-key',
  'x-cellway-hop',
  'x-cellway-sig'
] as const

/** With 421: the request had no effect at all, so the gateway may judge it again and send it elsewhere. */
export const NOT_EXECUTED_HEADER = 'x-cellway-not-executed'
