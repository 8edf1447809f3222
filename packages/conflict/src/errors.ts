import { defineError } from '@cellway/base'

export const conflictPolicyInvalid = defineError<{ table: string; problem: string }>({
  code: 'CON_POLICY_INVALID',
  message: 'The policy for conflicts does not fit',
  statusCode: 422,
  origin: 'operator',
  retry: 'after-change'
})
