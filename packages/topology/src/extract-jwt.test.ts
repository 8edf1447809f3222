import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { jwtClaim } from './extract-jwt.ts'

function claimOf(payload: string | Buffer, claim = 'sub'): string {
  return outcome(['authorization', `Bearer e30.${Buffer.from(payload).toString('base64url')}.c2ln`], claim)
}

function outcome(headers: readonly string[], claim = 'sub'): string {
  try {
    return String(jwtClaim(headers, claim))
  } catch (error) {
    if (!isCellwayError(error)) throw error
    return `${error.code}: ${String(error.details.reason)}`
  }
}

t.equal(claimOf('{"sub":"u-1"}'), 'u-1')
t.equal(claimOf(' { "a" : {"sub":"no"} , "sub" : "u-1" } '), 'u-1', 'only the top level counts')
t.equal(claimOf('{"a":["sub",{"sub":1}],"b":"}\\",{","sub":12}'), '12', 'brackets in texts')
t.equal(claimOf('{"sub":18446744073709551615}'), '18446744073709551615', 'digits are kept')
t.equal(claimOf('{"\\u0073ub":"u-1"}'), 'u-1', 'an escaped name is the name')
t.equal(claimOf('{"sub":"\\u7528"}'), '用')
t.equal(claimOf('{}'), 'undefined')
t.equal(claimOf('{"a":1}'), 'undefined')
t.match(claimOf('{"sub":1,"\\u0073ub":1}'), /TOPO_KEY_AMBIGUOUS/)
for (const value of ['1.0', '1e3', '-1', 'null', 'true', '["u"]', '{"a":1}'])
  t.match(claimOf(`{"sub":${value}}`), /TOPO_KEY_INVALID: the claim is neither/, value)
t.match(claimOf('{"sub":1,}'), /not JSON/)
t.match(claimOf('[1]'), /not an object/)
t.match(claimOf('"sub"'), /not an object/)
t.match(claimOf(Buffer.from([0x22, 0xff, 0x22])), /not valid UTF-8/)
t.match(claimOf(`{"a":"${'x'.repeat(20_000)}"}`), /too long/)
t.match(outcome(['authorization', 'Bearer a.b+/=.c']), /not base64url/)
t.match(outcome(['authorization', 'Bearer a..c']), /not base64url/)
t.match(outcome(['authorization', 'Bearer x', 'Authorization', 'Bearer x']), /TOPO_KEY_AMBIGUOUS/)
t.equal(outcome(['authorization', 'Basic abc']), 'undefined')
t.equal(outcome(['authorization', 'Bearer opaque']), 'undefined')
t.equal(outcome(['authorization', 'Bearer a.b.c.d.e']), 'undefined', 'an encrypted token has no claims to read')
t.equal(outcome([]), 'undefined')

t.test('any claim of any object is found as JSON.parse finds it', async () => {
  const objects = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.maxSafeNat(), fc.jsonValue({ maxDepth: 2 })))
  fc.assert(
    fc.property(objects, fc.boolean(), (object, spaced) => {
      const text = spaced ? JSON.stringify(object, undefined, 2) : JSON.stringify(object)
      return Object.entries(object).every(([name, value]) => {
        const wanted = typeof value === 'string' ? value : /^(?:0|[1-9][0-9]*)$/.test(JSON.stringify(value)) ? JSON.stringify(value) : undefined
        return wanted === undefined || claimOf(text, name) === wanted
      })
    }),
    { numRuns: 500 }
  )
})
