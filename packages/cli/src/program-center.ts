import type { Command } from 'commander'
import { showCenter } from './commands/center.ts'
import { examples } from './help.ts'
import type { Runner } from './program.ts'

/** The durable log between the cells. */
export function addCenter(program: Command, run: Runner): void {
  program
    .command('center')
    .description('the durable log between the cells')
    .command('status')
    .description('whether it takes records, and per stream its bounds, its size, its readers and how far they are behind')
    .option('--center <url>', 'URL of the center (CELLWAY_CENTER)')
    .option('--center-token-file <file>', 'file that holds an operator token of the center (or CELLWAY_CENTER_TOKEN)')
    .addHelpText(
      'after',
      `\nA folder of a log that no center has open is examined on its machine: node services/center/src/main.ts verify FOLDER,\nand what is whole of a damaged one is saved by: node services/center/src/main.ts salvage FOLDER OUT${examples(['cellway center status', "cellway center status -o json | jq '.streams[] | {stream, bytes}'"])}`
    )
    .action((options: Parameters<typeof showCenter>[1], command: Command) => run((context) => showCenter(context, options), command))
}
