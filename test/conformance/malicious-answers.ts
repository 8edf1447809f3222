import type { Step } from './malicious-upstream.ts'

/** What a wrong or hostile app answers, and what its own client may get. No other client may ever get a byte of it. */
export interface MaliciousRow {
  readonly id: string
  readonly why: string
  readonly steps: readonly Step[]
  /**
   * `gateway`: 421, 502, 503 or 504 of ours. `whole`: the status and body below, complete.
   * `cut`: the answer has begun, and its end is visibly missing.
   */
  readonly outcomes: readonly ('gateway' | 'whole' | 'cut')[]
  readonly status: number
  readonly body: string
  readonly method: 'GET' | 'HEAD'
  /** Whether the connection must be given up afterwards. False only where nothing was wrong with the framing. */
  readonly poisons: boolean
}

/** Marks bytes that belong to no request: whoever reads them reads somebody else's answer. */
export const STRAY = 'STRAY-BYTES'
const STRAY_ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${STRAY.length}\r\n\r\n${STRAY}`

const write = (text: string): Step => ({ kind: 'write', bytes: Buffer.from(text, 'latin1') })
const wait = (ms: number): Step => ({ kind: 'wait', ms })
const idle: Step = { kind: 'idle' }
const end: Step = { kind: 'end' }
const reset: Step = { kind: 'reset' }

function answer(lines: string, body = '', status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\n${lines}\r\n${body}`
}

function bad(id: string, why: string, text: string | readonly Step[], more: Partial<MaliciousRow> = {}): MaliciousRow {
  const steps = typeof text === 'string' ? [write(text)] : text
  return { id, why, steps, outcomes: ['gateway'], status: 200, body: '', method: 'GET', poisons: true, ...more }
}

const OWN_OR_GATEWAY = { outcomes: ['gateway', 'whole', 'cut'], body: 'mine' } as const
const CUT = { outcomes: ['gateway', 'cut'] } as const

const framing: readonly MaliciousRow[] = [
  bad('cl-te', 'both a length and chunks', answer('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${STRAY_ANSWER}`)),
  bad('cl-two', 'two different lengths', answer('Content-Length: 4\r\nContent-Length: 40\r\n', `mine${STRAY_ANSWER}`)),
  bad('cl-list', 'a list of lengths', answer('Content-Length: 4, 40\r\n', `mine${STRAY_ANSWER}`)),
  bad('cl-negative', 'a negative length', answer('Content-Length: -1\r\n', 'mine')),
  bad('cl-plus', 'a plus sign', answer('Content-Length: +4\r\n', 'mine')),
  bad('cl-hex', 'a hexadecimal length', answer('Content-Length: 0x4\r\n', 'mine')),
  bad('cl-overflow', 'a length beyond 2^64', answer('Content-Length: 18446744073709551620\r\n', 'mine')),
  bad('cl-empty', 'an empty length', answer('Content-Length:\r\n', `mine${STRAY_ANSWER}`), {
    outcomes: ['gateway', 'cut', 'whole'],
    body: `mine${STRAY_ANSWER}`
  }),
  bad('cl-short', 'more body than the length says', answer('Content-Length: 4\r\n', `mine${STRAY}`), OWN_OR_GATEWAY),
  bad('cl-long', 'less body than the length says, then the end', [write(answer('Content-Length: 40\r\n', 'mine')), end], CUT),
  bad('cl-long-reset', 'less body than the length says, then a reset', [write(answer('Content-Length: 40\r\n', 'mine')), reset], CUT),
  bad('cl-long-silent', 'less body than the length says, then silence', answer('Content-Length: 40\r\n', 'mine'), CUT),
  bad('te-unknown', 'an unknown coding', answer('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${STRAY_ANSWER}`), CUT),
  bad('te-twice', 'chunked twice', answer('Transfer-Encoding: chunked, chunked\r\n', `0\r\n\r\n${STRAY_ANSWER}`), CUT),
  bad('chunk-size', 'a chunk size that is no number', answer('Transfer-Encoding: chunked\r\n', 'zz\r\nmine\r\n0\r\n\r\n'), CUT),
  bad('chunk-negative', 'a negative chunk size', answer('Transfer-Encoding: chunked\r\n', '-4\r\nmine\r\n0\r\n\r\n'), CUT),
  bad('chunk-overflow', 'a chunk size beyond 2^64', answer('Transfer-Encoding: chunked\r\n', '10000000000000004\r\nmine\r\n0\r\n\r\n'), CUT),
  bad('chunk-overrun', 'more data than the chunk size says', answer('Transfer-Encoding: chunked\r\n', `4\r\nmine${STRAY}\r\n0\r\n\r\n`), CUT),
  bad('chunk-cut', 'the end in the middle of a chunk', [write(answer('Transfer-Encoding: chunked\r\n', '40\r\nmine')), end], CUT),
  bad('chunk-no-last', 'the end before the last chunk', [write(answer('Transfer-Encoding: chunked\r\n', '4\r\nmine\r\n')), end], CUT)
]

const smuggled: readonly MaliciousRow[] = [
  bad('second-answer', 'a second answer in the same write', answer('Content-Length: 4\r\n', `mine${STRAY_ANSWER}`), OWN_OR_GATEWAY),
  bad(
    'second-answer-later',
    'a second answer a moment later, when the connection is idle',
    [write(answer('Content-Length: 4\r\n', 'mine')), idle, write(STRAY_ANSWER)],
    OWN_OR_GATEWAY
  ),
  bad(
    'second-after-chunks',
    'a second answer after the last chunk',
    answer('Transfer-Encoding: chunked\r\n', `4\r\nmine\r\n0\r\n\r\n${STRAY_ANSWER}`),
    OWN_OR_GATEWAY
  ),
  bad('second-after-204', 'a second answer after 204', `${answer('', '', '204 No Content')}${STRAY_ANSWER}`, {
    outcomes: ['gateway', 'whole'],
    status: 204
  }),
  bad('body-after-204', 'a body after 204', answer(`Content-Length: ${STRAY.length}\r\n`, STRAY, '204 No Content'), {
    outcomes: ['gateway', 'whole'],
    status: 204
  }),
  bad('body-after-304', 'a body after 304', answer(`Content-Length: ${STRAY.length}\r\n`, STRAY, '304 Not Modified'), {
    outcomes: ['gateway', 'whole'],
    status: 304
  }),
  bad('body-after-head', 'a body in the answer to HEAD', answer(`Content-Length: ${STRAY.length}\r\n`, STRAY), {
    outcomes: ['gateway', 'whole'],
    method: 'HEAD'
  }),
  bad('two-status-lines', 'two status lines', `HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine`),
  bad('answer-then-junk', 'junk after the answer', answer('Content-Length: 4\r\n', `mine${STRAY}\r\n\r\n`), OWN_OR_GATEWAY)
]

const heads: readonly MaliciousRow[] = [
  bad('version-2', 'HTTP/2.0 on the HTTP/1 wire, else sound: node reads it as 1.1', 'HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nmine', {
    ...OWN_OR_GATEWAY,
    poisons: false
  }),
  bad('version-0.9', 'no status line at all', 'mine\r\n'),
  bad('version-junk', 'another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'),
  bad('status-letters', 'a status that is no number', answer('Content-Length: 4\r\n', 'mine', 'OK')),
  bad('status-99', 'a status of two digits', answer('Content-Length: 4\r\n', 'mine', '99 Low')),
  bad('status-1000', 'a status of four digits', answer('Content-Length: 4\r\n', 'mine', '1000 High')),
  bad('101-unasked', '101 that nobody asked for', `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${STRAY}`),
  bad(
    '1xx-flood',
    '20,000 interim answers',
    [
      ...Array.from({ length: 20 }, () => write('HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n'.repeat(1_000))),
      write(answer('Content-Length: 4\r\n', 'mine'))
    ],
    OWN_OR_GATEWAY
  ),
  bad('100-unasked', '100 that nobody asked for, then an answer', `HTTP/1.1 100 Continue\r\n\r\n${answer('Content-Length: 4\r\n', 'mine')}`, {
    ...OWN_OR_GATEWAY,
    poisons: false
  }),
  bad('headers-huge', '1 MiB of headers', answer(`X-A: ${'b'.repeat(1024 * 1024)}\r\nContent-Length: 4\r\n`, 'mine')),
  bad(
    'headers-endless',
    'a header block without end',
    Array.from({ length: 40 }, () => write(`X-A: ${'b'.repeat(8_000)}\r\n`)).toSpliced(0, 0, write('HTTP/1.1 200 OK\r\n'))
  ),
  bad('header-nul', 'NUL in a header', answer('X-A: b\0c\r\nContent-Length: 4\r\n', 'mine')),
  bad('header-cr', 'a bare CR in a header', answer('X-A: b\rX-Injected: c\r\nContent-Length: 4\r\n', 'mine')),
  bad('header-name-space', 'a blank in a name', answer('X A: b\r\nContent-Length: 4\r\n', 'mine')),
  bad('header-no-colon', 'a line without colon', answer('junk\r\nContent-Length: 4\r\n', 'mine')),
  bad('header-fold', 'a folded length', answer('X-A: b\r\n Content-Length: 40\r\nContent-Length: 4\r\n', 'mine'), {
    outcomes: ['gateway', 'whole'],
    body: 'mine',
    poisons: false
  })
]

const endings: readonly MaliciousRow[] = [
  bad('close-at-once', 'the end before any byte', [end]),
  bad('reset-at-once', 'a reset before any byte', [reset]),
  bad('close-in-line', 'the end inside the status line', [write('HTTP/1.1 20'), end]),
  bad('close-in-headers', 'the end inside the headers', [write('HTTP/1.1 200 OK\r\nContent-Le'), end]),
  bad('silent', 'no byte at all', []),
  bad('silent-in-headers', 'silence inside the headers', 'HTTP/1.1 200 OK\r\nContent-Le'),
  bad('drip-headers', 'a header byte every 100 ms', [
    write('HTTP/1.1 200 OK\r\n'),
    ...Array.from({ length: 60 }, () => [write('X'), wait(100)]).flat()
  ]),
  bad('silent-in-body', 'a body that stops', [write(answer('Transfer-Encoding: chunked\r\n', '4\r\nmine\r\n'))], CUT)
]

const headers: readonly MaliciousRow[] = [
  bad(
    'internal-headers',
    'internal headers in the answer: dropped',
    answer('X-Cellway-Key: 42\r\nx_cellway_sig: a\r\nContent-Length: 4\r\n', 'mine'),
    { outcomes: ['whole'], body: 'mine', poisons: false }
  ),
  bad('connection-named', 'Connection names what must not go on', answer('Connection: X-Inner\r\nX-Inner: a\r\nContent-Length: 4\r\n', 'mine'), {
    outcomes: ['whole'],
    body: 'mine',
    poisons: false
  }),
  bad('connection-date', 'Connection names Content-Length', answer('Connection: Content-Length\r\nContent-Length: 4\r\n', 'mine'), {
    outcomes: ['gateway', 'whole'],
    body: 'mine',
    poisons: false
  }),
  bad(
    '421-executed',
    '421 without the word that nothing was done: passed on, not tried again',
    answer('Content-Length: 4\r\n', 'mine', '421 Misdirected Request'),
    {
      outcomes: ['whole'],
      status: 421,
      body: 'mine',
      poisons: false
    }
  ),
  bad(
    '421-for-ever',
    '421 with the word that nothing was done, each time: tried again a few times, then refused',
    answer('X-Cellway-Not-Executed: 1\r\nContent-Length: 4\r\n', 'mine', '421 Misdirected Request'),
    { poisons: false }
  ),
  bad('good', 'the control row: nothing wrong', answer('Content-Length: 4\r\n', 'mine'), { outcomes: ['whole'], body: 'mine', poisons: false })
]

export const maliciousAnswers: readonly MaliciousRow[] = [...framing, ...smuggled, ...heads, ...endings, ...headers]
