import { type Command, Option } from 'commander'
import { bootstrapCell } from './commands/cell.ts'
import { listConflicts, resolveConflicts, showConflict } from './commands/conflicts.ts'
import { diffSchemas } from './commands/schema.ts'
import { listStreams, pauseStream, resumeStream, skipTransaction } from './commands/streams.ts'
import { verify, watchVerification } from './commands/verify.ts'
import { examples } from './help.ts'
import type { Runner } from './program.ts'

/** Everything about the changes on their way between cells. */
export function addReplication(program: Command, run: Runner): void {
  addStreams(program, run)
  addConflicts(program, run)
  addVerify(program, run)
  addSchema(program, run)
  addCell(program, run)
}

function addStreams(program: Command, run: Runner): void {
  const streams = program.command('streams').description('the changes of each cell on their way into each other one')
  streams
    .command('list')
    .description('replicators, and per edge the state and the lag of each stage')
    .addHelpText('after', examples(['cellway streams list', 'cellway streams list -o json | jq \'.streams[] | select(.state != "running")\'']))
    .action((_options: unknown, command: Command) => run(listStreams, command))
  const order = (name: string, description: string): Command =>
    streams
      .command(name)
      .description(description)
      .argument('<source>', 'the cell whose changes they are')
      .requiredOption('--cell <cell>', 'the cell where they arrive')
      .requiredOption('--reason <text>', 'why; kept in the audit log')
  order('pause', 'no longer apply the changes of one cell in another; they wait in the center')
    .addHelpText('after', examples(['cellway streams pause beijing --cell shanghai --reason "look at conflict 12 first"']))
    .action((source: string, options: Parameters<typeof pauseStream>[2], command: Command) =>
      run((context) => pauseStream(context, source, options), command)
    )
  order('resume', 'go on; also with a stream that stopped and whose cause is gone')
    .addHelpText('after', examples(['cellway streams resume beijing --cell shanghai --reason "conflict 12 is decided"']))
    .action((source: string, options: Parameters<typeof resumeStream>[2], command: Command) =>
      run((context) => resumeStream(context, source, options), command)
    )
  order('skip', 'leave out one transaction that cannot be applied; its content is kept')
    .requiredOption('--gtid <gtid>', 'which; the status of the stopped stream names it')
    .option('-y, --yes', 'do not ask', false)
    .addHelpText('after', examples(['cellway streams skip beijing --cell shanghai --gtid 1-1-4711 --reason "the table was dropped here"']))
    .action((source: string, options: Parameters<typeof skipTransaction>[2], command: Command) =>
      run((context) => skipTransaction(context, source, options), command)
    )
}

function addConflicts(program: Command, run: Runner): void {
  const conflicts = program.command('conflicts').description('changes that met another change of the same row, and what was decided')
  conflicts
    .command('list')
    .description('those that wait for a decision, newest first')
    .option('--cell <cell>', 'only those of this cell')
    .option('--all', 'decided ones too', false)
    .option('--table <table>', 'only of this table, as schema.table')
    .option('--source <cell>', 'only changes of this cell')
    .option('-n, --limit <count>', 'how many per cell', '50')
    .addHelpText(
      'after',
      examples(['cellway conflicts list', 'cellway conflicts list --cell shanghai --all --table shop.orders', 'cellway conflicts list -o json'])
    )
    .action((options: Parameters<typeof listConflicts>[1], command: Command) => run((context) => listConflicts(context, options), command))
  conflicts
    .command('show')
    .description('one conflict with the row before, after, and as it was here')
    .argument('<id>', 'as in "cellway conflicts list"')
    .requiredOption('--cell <cell>', 'the cell that recorded it')
    .addHelpText('after', examples(['cellway conflicts show 12 --cell shanghai']))
    .action((id: string, options: { cell: string }, command: Command) => run((context) => showConflict(context, id, options), command))
  conflicts
    .command('resolve')
    .description('decide: the row of the other cell, the row that is here, or an edited one; it goes to every cell')
    .argument('[id...]', 'as in "cellway conflicts list"')
    .requiredOption('--cell <cell>', 'the cell that recorded them')
    .requiredOption('--reason <text>', 'why; kept in the audit log')
    .option('--apply', 'take the row of the other cell', false)
    .option('--keep', 'keep the row that is here', false)
    .option('--edit <file>', 'write the row in this file, JSON as "show -o json" prints it')
    .option('--all', 'all open ones that match', false)
    .option('--table <table>', 'with --all: only of this table')
    .option('--source <cell>', 'with --all: only changes of this cell')
    .option('-y, --yes', 'do not ask', false)
    .addHelpText(
      'after',
      examples([
        'cellway conflicts resolve 12 --cell shanghai --keep --reason "the newer address"',
        'cellway conflicts resolve --all --table shop.carts --cell shanghai --apply --yes --reason "carts of the test"'
      ])
    )
    .action((ids: string[], options: Parameters<typeof resolveConflicts>[2], command: Command) =>
      run((context) => resolveConflicts(context, ids, options), command)
    )
}

function addVerify(program: Command, run: Runner): void {
  program
    .command('verify')
    .description('compare the rows of the cells while traffic runs; exit code 4 if they differ')
    .option('--cell <cell>', 'only this cell against the others')
    .option('--from <cell>', 'only against this one')
    .option('--table <table>', 'only this table, as schema.table')
    .option('--repair', 'send the row of its owner to every cell where rows differ', false)
    .option('-y, --yes', 'do not ask before a repair', false)
    .option('--reason <text>', 'why; kept in the audit log')
    .option('-w, --watch', 'show what the continuous comparison finds, until Ctrl-C', false)
    .addHelpText(
      'after',
      examples(['cellway verify', 'cellway verify --table shop.orders --repair --reason "after the outage"', 'cellway verify --watch'])
    )
    .action((options: Parameters<typeof verify>[1], command: Command) =>
      run((context) => (options.watch ? watchVerification(context, options) : verify(context, options)), command)
    )
}

function addSchema(program: Command, run: Runner): void {
  program
    .command('schema')
    .description('the declared tables of all cells')
    .command('diff')
    .description('what the tables of each cell lack, with the statement to run there; exit code 4 if there is something')
    .option('--cell <cell>', 'compare with this cell; the first one otherwise')
    .addHelpText('after', examples(['cellway schema diff', 'cellway schema diff --cell beijing -o json']))
    .action((options: { cell?: string }, command: Command) => run((context) => diffSchemas(context, options), command))
}

function addCell(program: Command, run: Runner): void {
  program
    .command('cell')
    .description('work on one cell as a whole')
    .command('bootstrap')
    .description('fill an empty cell, or one that is too far behind, from another one while traffic runs')
    .argument('<cell>', 'the cell to fill')
    .option('--from <cell>', 'the cell to copy; needed where there is more than one')
    .option('--wipe', 'rows that are in its tables may go', false)
    .option('--force', 'although the cell owns buckets', false)
    .option('--rate <rows>', 'at most so many rows per second')
    .option('--cancel', 'break a running copy off', false)
    .option('-w, --watch', 'follow it to its end, with rate and ETA', false)
    .option('-y, --yes', 'do not ask', false)
    .addOption(new Option('--reason <text>', 'why; kept in the audit log'))
    .addHelpText('after', examples(['cellway cell bootstrap shenzhen --from beijing --watch', 'cellway cell bootstrap shenzhen --yes -o json']))
    .action((cell: string, options: Parameters<typeof bootstrapCell>[2], command: Command) =>
      run((context) => bootstrapCell(context, cell, options), command)
    )
}
