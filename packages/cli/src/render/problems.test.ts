import t from 'tap'
import { renderProblems } from './problems.ts'

t.test('every problem with path, what and fix, aligned; a long path gets its own line', async (t) => {
  const text = renderProblems('topology.yaml', [
    { path: 'spaces.users.buckets', problem: 'is 0', fix: 'give 1 to 1024' },
    { path: '', problem: 'is empty', fix: 'start with apiVersion' },
    { path: 'routes[3].key[0].some.very.long.path.here', problem: 'unknown', fix: 'remove it' }
  ])
  t.equal(
    text,
    [
      '✗ topology.yaml: 3 problems',
      '',
      '  spaces.users.buckets              is 0',
      '                                    fix give 1 to 1024',
      '  (file)                            is empty',
      '                                    fix start with apiVersion',
      '  routes[3].key[0].some.very.long.path.here',
      '                                    unknown',
      '                                    fix remove it'
    ].join('\n')
  )
})
