import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { snapshotCorrupt } from './errors.ts'
import type { WireSnapshot } from './snapshot-wire.ts'

const Count = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Text = Type.String()
const Texts = Type.Array(Text)
const Point = Type.Tuple([Type.Number(), Type.Number()])
const Dictionary = <Schema extends Type.TSchema>(value: Schema): Type.TRecord<'^.*$', Schema> => Type.Record(Text, value)

const State = Type.Union([
  Type.Object({ kind: Type.Literal('owned') }),
  Type.Object({ kind: Type.Literal('moving'), from: Text, to: Text, shift: Text }),
  Type.Object({ kind: Type.Literal('frozen'), reason: Text })
])

const Cell = Type.Object({
  number: Type.Integer({ minimum: 0, maximum: 15 }),
  region: Text,
  role: Type.Union([Type.Literal('active'), Type.Literal('standby')]),
  weight: Type.Number(),
  location: Type.Optional(Point),
  gateway: Text,
  apps: Dictionary(Texts),
  stores: Dictionary(Type.Unknown())
})

const spaceCommon = { primary: Type.Optional(Text), fold: Text, keyType: Text }
const Space = Type.Union([
  Type.Object({ ...spaceCommon, kind: Type.Literal('hash'), buckets: Count }),
  Type.Object({
    ...spaceCommon,
    kind: Type.Literal('list'),
    values: Texts,
    assign: Type.Union([Text, Dictionary(Text)]),
    locations: Dictionary(Point)
  }),
  Type.Object({ ...spaceCommon, kind: Type.Literal('single'), primary: Text })
])

const routeCommon = {
  name: Text,
  match: Type.Object({ host: Type.Optional(Text), path: Text }),
  app: Text,
  writes: Type.Union([Type.Literal('unsafe'), Texts]),
  bodyBytesMax: Type.Integer(),
  timeoutMs: Type.Integer(),
  priority: Text,
  websocket: Type.Boolean()
}
const Route = Type.Union([
  Type.Object({
    ...routeCommon,
    kind: Type.Literal('space'),
    space: Text,
    key: Type.Array(Type.Object({ kind: Text })),
    missing: Text,
    reads: Text,
    readYourWritesMs: Type.Integer()
  }),
  Type.Object({ ...routeCommon, kind: Type.Literal('local') })
])

/** What a snapshot must look like before its checksum is worth computing. Rules between fields were checked when it was made. */
const Wire = Type.Object({
  formatVersion: Type.Literal(1),
  version: Count,
  checksum: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  topology: Type.Object({
    apiVersion: Type.Literal('cellway/v1'),
    cells: Dictionary(Cell),
    center: Type.Object({}),
    spaces: Dictionary(Space),
    pins: Dictionary(Dictionary(Text)),
    routes: Type.Array(Route),
    data: Type.Object({ mysql: Type.Array(Type.Object({ kind: Text })), redis: Type.Array(Type.Object({ kind: Text })) })
  }),
  ledger: Type.Array(
    Type.Object({
      space: Text,
      runs: Type.Array(Type.Union([Type.Tuple([Count, Text, Count]), Type.Tuple([Count, Text, Count, State])]))
    })
  )
})

let compiled: ReturnType<typeof Compile<typeof Wire>> | undefined

/** @throws TOPO_SNAPSHOT_CORRUPT */
export function checkWireShape(value: unknown): WireSnapshot {
  compiled ??= Compile(Wire)
  if (compiled.Check(value)) return value as unknown as WireSnapshot
  const first = compiled.Errors(value)[0]
  throw snapshotCorrupt({ reason: `it does not have the shape of a snapshot: ${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim() })
}
