import t from 'tap'
import { routingRequestOf } from './routing-question.ts'

t.test('url and headers become what the gateway would see', async (t) => {
  const rows: [string, Parameters<typeof routingRequestOf>[0], object][] = [
    ['path only', { method: 'get', url: '/a/b?c=d' }, { method: 'GET', host: '', path: '/a/b', query: 'c=d', headers: [], clientIp: '' }],
    ['whole url', { method: 'GET', url: 'https://Shop.Example:8443/a%2Fb?x=%20' }, { host: 'shop.example', path: '/a%2Fb', query: 'x=%20' }],
    ['no path', { method: 'GET', url: 'http://shop.example?q' }, { host: 'shop.example', path: '/', query: 'q' }],
    [
      'host header',
      { method: 'GET', url: '/a', headers: { Host: 'A.example:80', 'x-user-id': '7' } },
      { host: 'a.example', headers: ['Host', 'A.example:80', 'x-user-id', '7'] }
    ],
    [
      'pairs keep doubles',
      {
        method: 'GET',
        url: '/a',
        headers: [
          ['a', '1'],
          ['a', '2']
        ]
      },
      { headers: ['a', '1', 'a', '2'] }
    ],
    [
      'text beyond ASCII',
      { url: '/a', headers: { 'x-user-id': '张三' } },
      { method: 'GET', headers: ['x-user-id', Buffer.from('张三').toString('latin1')] }
    ],
    ['dots stay as written', { method: 'GET', url: '/a/../b' }, { path: '/a/../b' }],
    ['client ip', { method: 'GET', url: '/', clientIp: '1.2.3.4' }, { clientIp: '1.2.3.4' }]
  ]
  for (const [name, body, wanted] of rows) t.match(routingRequestOf(body), wanted, name)
})
