import t from 'tap'
import { createMembers, FORGET_AFTER_MS, GONE_AFTER_MS, MEMBERS_MAX, type MemberIdentity } from './members.ts'

const gateway: MemberIdentity = { member: 'bj-1', kind: 'gateway', cell: 'beijing' }
const current = { version: 7, checksum: 'c7' }

t.test('the state says who lags behind', async (t) => {
  const rows: [string, { version: number; checksum: string } | undefined, string][] = [
    ['nothing adopted', undefined, 'joining'],
    ['the newest', { version: 7, checksum: 'c7' }, 'current'],
    ['an older one', { version: 6, checksum: 'c6' }, 'lagging'],
    ['a newer one than control has', { version: 8, checksum: 'c8' }, 'ahead'],
    ['other content under the same number', { version: 7, checksum: 'other' }, 'diverged']
  ]
  for (const [name, adopted, state] of rows) {
    const members = createMembers()
    members.connected(gateway, 1000)
    if (adopted !== undefined) members.acknowledged(gateway, adopted, 1000)
    t.match(members.view(current, 60_000), [{ ...gateway, state, connected: true, version: adopted?.version ?? null }], name)
  }
})

t.test('since changes with the version, last seen with each sign of life', async (t) => {
  const members = createMembers()
  members.acknowledged(gateway, current, 1000)
  members.acknowledged(gateway, current, 5000)
  t.match(members.view(current, 6000), [{ since: new Date(1000).toISOString(), lastSeen: new Date(5000).toISOString() }])
  members.acknowledged(gateway, { version: 8, checksum: 'c8' }, 7000)
  t.match(members.view(current, 8000), [{ since: new Date(7000).toISOString() }])
})

t.test('gone, then forgotten; two connections count as two', async (t) => {
  const members = createMembers()
  members.connected(gateway, 0)
  members.connected(gateway, 0)
  members.disconnected(gateway, 1000)
  t.match(members.view(current, 1000 + GONE_AFTER_MS + 1), [{ state: 'joining', connected: true }])
  members.disconnected(gateway, 2000)
  t.match(members.view(current, 2000 + GONE_AFTER_MS), [{ state: 'joining', connected: false }])
  t.match(members.view(current, 2001 + GONE_AFTER_MS), [{ state: 'gone' }])
  t.same(members.view(current, 2001 + FORGET_AFTER_MS), [])
})

t.test('the same name in two cells is two members', async (t) => {
  const members = createMembers()
  members.acknowledged(gateway, current, 0)
  members.acknowledged({ ...gateway, cell: 'shanghai' }, { version: 6, checksum: 'c6' }, 0)
  t.same(
    members.view(current, 0).map(({ cell, state }) => `${cell} ${state}`),
    ['beijing current', 'shanghai lagging']
  )
})

t.test('the number is bounded: the longest absent goes first, connected ones stay', async (t) => {
  const members = createMembers()
  for (let at = 0; at < MEMBERS_MAX; at += 1) members.acknowledged({ ...gateway, member: `m${at}` }, current, at)
  members.connected({ ...gateway, member: 'm0' }, MEMBERS_MAX)
  members.acknowledged({ ...gateway, member: 'new' }, current, MEMBERS_MAX)
  const names = new Set(members.view(current, MEMBERS_MAX).map(({ member }) => member))
  t.equal(names.size, MEMBERS_MAX)
  t.ok(names.has('m0') && names.has('new'))
  t.notOk(names.has('m1'))
  for (let at = 0; at < MEMBERS_MAX; at += 1) if (names.has(`m${at}`) && at > 0) members.connected({ ...gateway, member: `m${at}` }, MEMBERS_MAX)
  members.connected({ ...gateway, member: 'new' }, MEMBERS_MAX)
  t.throws(() => members.connected({ ...gateway, member: 'one more' }, MEMBERS_MAX), { code: 'CTL_TOO_MANY_MEMBERS' })
})
