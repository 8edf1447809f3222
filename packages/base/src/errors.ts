/** Who can mend it: the caller, the people who run Cellway, or us. */
export type ErrorOrigin = 'client' | 'operator' | 'internal'

/** Whether the same call can succeed later: never, after a wait, or only once something else changed. */
export type RetryVerdict = 'never' | 'later' | 'after-change'

export interface ErrorDefinition {
  /** Upper case, prefixed by the package: `TOPO_`, `STORE_`, `GW_`, `CTL_`. Match on this, never on text. */
  readonly code: string
  /** A constant sentence; what varies goes into the details. */
  readonly message: string
  readonly statusCode: number
  readonly origin: ErrorOrigin
  readonly retry: RetryVerdict
}

export type ErrorDetails = Readonly<Record<string, unknown>>

export class CellwayError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly origin: ErrorOrigin
  readonly retry: RetryVerdict
  readonly details: ErrorDetails

  constructor(definition: ErrorDefinition, details: ErrorDetails, cause?: unknown) {
    super(definition.message, cause === undefined ? undefined : { cause })
    this.name = 'CellwayError'
    this.code = definition.code
    this.statusCode = definition.statusCode
    this.origin = definition.origin
    this.retry = definition.retry
    this.details = details
  }

  /** The form that users and other processes see; no stack, no cause. */
  toJSON(): { code: string; message: string; retry: RetryVerdict; details: ErrorDetails } {
    return { code: this.code, message: this.message, retry: this.retry, details: this.details }
  }
}

export interface ErrorFactory<Details extends ErrorDetails> {
  (details: Details, options?: { readonly cause?: unknown }): CellwayError
  readonly definition: ErrorDefinition
}

/** One row of a package's error table (`errors.ts`). `docs/errors.md` lists every row; a test holds both together. */
export function defineError<Details extends ErrorDetails>(definition: ErrorDefinition): ErrorFactory<Details> {
  const make = (details: Details, options?: { readonly cause?: unknown }): CellwayError => new CellwayError(definition, details, options?.cause)
  return Object.assign(make, { definition })
}

export function isCellwayError(value: unknown): value is CellwayError {
  return value instanceof CellwayError
}

/** For the end of a switch over a union: a new member becomes a type error here. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`)
}
