import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { canonicalKey, decodeHeaderValue, KEY_BYTES_MAX, type KeyRules } from './canonical-key.ts'

function outcome(run: () => string): string {
  try {
    return `key ${run()}`
  } catch (error) {
    if (!isCellwayError(error)) throw error
    return `${error.code} ${error.statusCode}: ${String(error.details.reason)}`
  }
}

function check(raw: string, rules: Partial<KeyRules>, want: RegExp | string): void {
  const got = outcome(() => canonicalKey(raw, { keyType: 'auto', fold: 'none', ...rules }))
  if (typeof want === 'string') t.equal(got, `key ${want}`, `${JSON.stringify(raw.slice(0, 40))} ${JSON.stringify(rules)}`)
  else t.match(got, want, `${JSON.stringify(raw.slice(0, 40))} ${JSON.stringify(rules)}`)
}

// The whole table of spellings is vectors/routing.vectors.json; here are the reasons that people read.
check('42', {}, '42')
check('', {}, /^TOPO_KEY_INVALID 400: it is empty/)
check('007', {}, /leading zeros/)
check('007', { keyType: 'text' }, '007')
check('1e3', {}, /sign, a point or an exponent/)
check('alice', { keyType: 'integer' }, /not an unsigned decimal integer/)
check('18446744073709551616', { keyType: 'integer' }, /2\^64/)
check(' a', {}, /white space/)
check('a\u0000', {}, /control character/)
check('é\u0007', {}, /control character/)
check('e\u0301', {}, /normalization form C/)
check('\ud83d', {}, /not valid Unicode/)
check('é', { keyType: 'integer' }, /not an unsigned decimal integer/)
check('k'.repeat(KEY_BYTES_MAX + 1), {}, /longer than 4096 bytes/)
check('é'.repeat(KEY_BYTES_MAX / 2 + 1), {}, /longer than 4096 bytes/)
check('É', { fold: 'lower' }, /outside A to Z/)
check('ABé', { fold: 'lower' }, 'abé')
check('ABC', { fold: 'lower' }, 'abc')
check('ABC', {}, 'ABC')

t.test('header bytes are UTF-8', async (t) => {
  t.equal(decodeHeaderValue('plain'), 'plain')
  t.equal(decodeHeaderValue(Buffer.from('用户').toString('latin1')), '用户')
  t.match(
    outcome(() => decodeHeaderValue('caf\u00e9')),
    /TOPO_KEY_INVALID 400: it is not valid UTF-8/
  )
  t.match(
    outcome(() => decodeHeaderValue('用户')),
    /TOPO_KEY_INVALID 400: it is not a byte string/
  )
})
