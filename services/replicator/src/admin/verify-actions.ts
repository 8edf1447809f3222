import type { Verification } from '@cellway/client'
import { notStarted } from '../errors.ts'
import type { Engine } from '../process/engine.ts'
import type { Life } from '../process/life.ts'
import type { Verifier } from '../verify/verifier.ts'
import type { AdminActions } from './routes.ts'

/** Comparing this cell with others: started here, done by a part of the engine; and answers to others that compare. */
export function verifyActions(life: Life, signal: AbortSignal): Pick<AdminActions, 'question' | 'verification' | 'verify'> {
  const engine = (): Engine => {
    if (life.engine === undefined) throw notStarted({ phase: life.phase, reason: life.why.reason ?? '' })
    return life.engine
  }
  const verifier = (): Verifier => {
    const { work, status } = engine().verifier
    if (work === undefined) throw notStarted({ phase: status.phase, reason: status.reason ?? '' })
    return work
  }
  return {
    question: (question) => engine().answers.answer(question, signal),
    verification: (): Verification => verifier().progress(),
    verify: async ({ from, table, repair, reason }): Promise<Verification> => {
      verifier().start({
        reason,
        ...(from === undefined ? {} : { from }),
        ...(table === undefined ? {} : { table }),
        ...(repair === undefined ? {} : { repair })
      })
      return verifier().progress()
    }
  }
}
