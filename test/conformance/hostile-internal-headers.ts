import { type CorpusRow, chunked, FORGED, get, refusedOrClean, row } from './corpus.ts'

/** Removing the forged copy or refusing the request are both right; that the upstream sees only ours is checked for every row. */
const REFUSAL = [400, 403, 421, 431] as const
const spoof = (id: string, why: string, bytes: string): CorpusRow => row(`spoof-${id}`, why, bytes, refusedOrClean({}, REFUSAL))

const NAMES = ['cell', 'space', 'bucket', 'epoch', 'key', 'hop', 'sig'] as const
const USER = 'X-User-Id: 42\r\n'

const grid: readonly CorpusRow[] = NAMES.flatMap((name) => {
  const capital = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`
  return [
    spoof(`${name}-plain`, 'as we write it', get(`${USER}x-cellway-${name}: ${FORGED}\r\n`, '/api/a')),
    spoof(`${name}-capitals`, 'in capitals', get(`${USER}X-CELLWAY-${name.toUpperCase()}: ${FORGED}\r\n`, '/api/a')),
    spoof(`${name}-underscore`, 'CGI spelling', get(`${USER}X_Cellway_${capital}: ${FORGED}\r\n`, '/api/a')),
    spoof(`${name}-dot`, 'dots', get(`${USER}X.Cellway.${capital}: ${FORGED}\r\n`, '/api/a')),
    spoof(`${name}-local`, 'on a route without bucket, where we send fewer of them', get(`x-cellway-${name}: ${FORGED}\r\n`)),
    spoof(`${name}-named`, 'named in Connection, so that ours would be stripped', get(`${USER}Connection: x-cellway-${name}\r\n`, '/api/a'))
  ]
})

const spellings: readonly CorpusRow[] = [
  spoof('mixed-first', 'one underscore', get(`${USER}X_Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('mixed-second', 'one underscore', get(`${USER}X-Cellway_Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('dot-underscore', 'a dot and an underscore', get(`${USER}X.Cellway_Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('space', 'blanks in the name', get(`${USER}X Cellway Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('space-colon', 'a blank before the colon', get(`${USER}X-Cellway-Cell : ${FORGED}\r\n`, '/api/a')),
  spoof('folded', 'hidden in a folded line', get(`${USER}X-A: b\r\n X-Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('lf', 'hidden behind a bare LF', get(`${USER}X-A: b\nX-Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('cr', 'hidden behind a bare CR', get(`${USER}X-A: b\rX-Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('nul', 'hidden behind NUL', get(`${USER}X-Cellway-Cell\0: ${FORGED}\r\n`, '/api/a')),
  spoof('empty', 'an empty value', get(`${USER}X-Cellway-Cell:\r\n`, '/api/a')),
  spoof('unknown', 'a name of our prefix that we do not use', get(`${USER}X-Cellway-Admin: ${FORGED}\r\n`, '/api/a')),
  spoof('unknown-underscore', 'the same with underscores', get(`${USER}X_CELLWAY_ADMIN: ${FORGED}\r\n`, '/api/a')),
  spoof('not-executed', 'the header by which an app says that nothing happened', get(`${USER}X-Cellway-Not-Executed: 1\r\n`, '/api/a')),
  spoof('served-by', 'the header that only answers carry', get(`${USER}X-Cellway-Served-By: ${FORGED}\r\n`, '/api/a')),
  spoof('duplicate', 'twice', get(`${USER}X-Cellway-Cell: ${FORGED}\r\nX-Cellway-Cell: ${FORGED}2\r\n`, '/api/a')),
  spoof(
    'duplicate-spellings',
    'in three spellings',
    get(`${USER}x-cellway-cell: ${FORGED}\r\nX_Cellway_Cell: ${FORGED}\r\nX.Cellway.Cell: ${FORGED}\r\n`, '/api/a')
  ),
  spoof('first', 'before Host', `GET /api/a HTTP/1.1\r\nX-Cellway-Cell: ${FORGED}\r\nHost: shop.example\r\n${USER}\r\n`),
  spoof('all', 'all seven', get(`${USER}${NAMES.map((name) => `x-cellway-${name}: ${FORGED}\r\n`).join('')}`, '/api/a')),
  spoof('padded-90', 'behind 90 headers, so that ours might be cut off', get(`${USER}${padding(90)}X-Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('padded-99', 'exactly at the limit of headers', get(`${padding(98)}X-Cellway-Cell: ${FORGED}\r\n`)),
  spoof('padded-2000', 'behind 2,000 headers', get(`${USER}${padding(2_000)}X-Cellway-Cell: ${FORGED}\r\n`, '/api/a'))
]

const named: readonly CorpusRow[] = [
  spoof('named-list', 'named in a list', get(`${USER}Connection: keep-alive, X-Cellway-Sig, close\r\n`, '/api/a')),
  spoof('named-capitals', 'named in capitals', get(`${USER}Connection: X-CELLWAY-CELL\r\n`, '/api/a')),
  spoof('named-underscore', 'named with underscores', get(`${USER}Connection: x_cellway_cell\r\n`, '/api/a')),
  spoof('named-and-sent', 'named and sent', get(`${USER}Connection: x-cellway-cell\r\nX-Cellway-Cell: ${FORGED}\r\n`, '/api/a')),
  spoof('named-second', 'in a second Connection header', get(`${USER}Connection: keep-alive\r\nConnection: x-cellway-bucket\r\n`, '/api/a')),
  spoof('named-tabs', 'with tabs around it', get(`${USER}Connection: keep-alive,\tx-cellway-bucket\t\r\n`, '/api/a')),
  spoof('named-key', 'Connection names the header with the routing key', get(`Connection: x-user-id\r\n${USER}`, '/api/a')),
  spoof('named-proxy', 'Proxy-Connection names it', get(`${USER}Proxy-Connection: x-cellway-cell\r\n`, '/api/a')),
  spoof('named-upgrade', 'as a protocol of Upgrade', get(`${USER}Upgrade: x-cellway-cell\r\nConnection: upgrade\r\n`, '/api/a')),
  spoof('trailer-plain', 'in trailers', chunked(`3\r\nabc\r\n0\r\nX-Cellway-Cell: ${FORGED}\r\n\r\n`)),
  spoof('trailer-underscore', 'in trailers with underscores', chunked(`3\r\nabc\r\n0\r\nX_Cellway_Cell: ${FORGED}\r\n\r\n`)),
  spoof(
    'trailer-announced',
    'in trailers, announced',
    chunked(`3\r\nabc\r\n0\r\nx-cellway-bucket: ${FORGED}\r\n\r\n`, 'Trailer: x-cellway-bucket\r\n')
  ),
  spoof('trailer-dot', 'in trailers with dots', chunked(`3\r\nabc\r\n0\r\nx.cellway.cell: ${FORGED}\r\n\r\n`)),
  spoof('query', 'in the query, which must stay an ordinary query', get(USER, `/api/a?x-cellway-cell=${FORGED}`)),
  spoof('cookie', 'in a cookie, which must stay an ordinary cookie', get(`${USER}Cookie: x-cellway-cell=${FORGED}\r\n`, '/api/a')),
  spoof('hop-forged', 'a hop that nobody signed', get(`${USER}X-Cellway-Hop: 1;from=shanghai\r\nX-Cellway-Cell: beijing\r\n`, '/api/a')),
  spoof(
    'hop-bad-mac',
    'a hop with a wrong signature',
    get(`${USER}X-Cellway-Cell: beijing\r\nX-Cellway-Hop: 1;from=shanghai\r\nX-Cellway-Sig: v1;exp=9999999999;mac=${'A'.repeat(43)}\r\n`, '/api/a')
  ),
  spoof('hop-high', 'a hop count beyond any', get(`${USER}X-Cellway-Hop: 99999999999999999999;from=shanghai\r\n`, '/api/a')),
  spoof('hop-zero', 'a hop of our own cell', get(`${USER}X-Cellway-Hop: 0\r\n`, '/api/a'))
]

function padding(count: number): string {
  return Array.from({ length: count }, (_, index) => `X-P${index}: b\r\n`).join('')
}

export const hostileInternalHeaders: readonly CorpusRow[] = [...grid, ...spellings, ...named]
