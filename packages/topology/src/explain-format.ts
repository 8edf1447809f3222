import { formatState } from './diff-format.ts'
import type { Explanation, Tried } from './explain.ts'

/** The answer first, then how it came about; one fact per line. */
export function formatExplanation(explanation: Explanation): string {
  const { request, selfCell, version } = explanation
  const lines = [
    answer(explanation),
    '',
    row('request', `${request.method} ${request.host}${request.path}, arriving at ${selfCell}`),
    row('snapshot', `version ${version}`),
    row('route', routeText(explanation)),
    ...explanation.tried.map((tried, index) => row(index === 0 ? 'keys' : '', triedText(tried))),
    ...keyRows(explanation),
    ...bucketRows(explanation),
    row('why', explanation.verdict.why),
    ...explanation.upstreams.map((upstream, index) => row(index === 0 ? 'upstream' : '', upstream))
  ]
  return lines.join('\n')
}

const LABEL_CHARS = 10

function row(label: string, text: string): string {
  return `${label.padEnd(LABEL_CHARS)}${text}`
}

function answer({ verdict, selfCell, operation, bucket }: Explanation): string {
  switch (verdict.kind) {
    case 'local':
      return `LOCAL: ${selfCell} serves this ${operation} itself.`
    case 'hop':
      return `HOP: ${selfCell} forwards this ${operation} to ${verdict.cell}.`
    case 'hold': {
      const to = bucket?.state.kind === 'moving' ? `, which is moving from ${bucket.state.from} to ${bucket.state.to}` : ''
      return `HOLD: this ${operation} waits for bucket ${bucket?.bucket} of ${bucket?.space}${to}.`
    }
    case 'refuse':
      return `REFUSE: ${verdict.error?.statusCode} ${verdict.error?.code}. ${verdict.error?.message}.`
  }
}

function routeText({ route }: Explanation): string {
  if (route === undefined) return 'none matches'
  const data = route.space === undefined ? 'local data' : `space ${route.space}`
  const policies = [route.missing && `missing: ${route.missing}`, route.reads && `reads: ${route.reads}`].filter(Boolean)
  return [`${route.name} (${route.match.host ?? ''}${route.match.path})`, data, ...policies, `app ${route.app}`].join(', ')
}

function triedText(tried: Tried): string {
  switch (tried.result) {
    case 'found':
      return `${tried.source}: found${tried.key === '' ? '' : ` ${JSON.stringify(tried.key)}`}`
    case 'unknown-value':
      return `${tried.source}: ${JSON.stringify(tried.key)} is no value of the space`
    case 'absent':
      return `${tried.source}: not in the request`
    case 'not-asked':
      return `${tried.source}: not asked, as it was decided before`
    case 'refused':
      return `${tried.source}: ${tried.code}: ${tried.reason}`
  }
}

function keyRows({ key, bucket }: Explanation): readonly string[] {
  if (key === undefined || key.canonical === '') return []
  const hashed = key.hash === undefined ? '' : `, CRC-32 ${key.hash}, modulo the bucket count = bucket ${bucket?.bucket}`
  return [row('key', `${JSON.stringify(key.canonical)} from ${key.source}${hashed}`)]
}

function bucketRows({ bucket }: Explanation): readonly string[] {
  if (bucket === undefined) return []
  return [row('bucket', `${bucket.space} ${bucket.bucket}, owner ${bucket.owner}, epoch ${bucket.epoch}${formatState(bucket.state)}`)]
}
