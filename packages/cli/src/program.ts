import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import type { CommandContext, GlobalOptions, Outcome } from './command.ts'
import { tailAudit, verifyAudit } from './commands/audit.ts'
import { listBuckets } from './commands/buckets.ts'
import { explainRoute } from './commands/route.ts'
import { showStatus, watchStatus } from './commands/status.ts'
import { createToken, listTokens, ROLES, revokeToken } from './commands/tokens.ts'
import { applyTopology, diffTopology, validateTopology } from './commands/topology.ts'
import { LOCAL_FILE } from './connection.ts'
import { EXIT_CODE_HELP } from './exit-codes.ts'
import { examples } from './help.ts'
import { addCenter } from './program-center.ts'
import { addReplication } from './program-replication.ts'
import type { Terminal } from './terminal.ts'

export type Runner = (work: (context: CommandContext) => Promise<Outcome>, command: Command) => Promise<void>

/** The whole command tree; what an action does is in `commands/`, what its result looks like in `render/`. */
export function createProgram(terminal: Terminal, run: Runner): Command {
  const program = new Command('cellway')
    .description('Shows and changes a Cellway installation: cells, topology, routing, ownership, health.')
    .option('--control <url>', 'URL of a control process; repeat it for several (CELLWAY_CONTROL)', collect)
    .option('--token <token>', 'bearer token (CELLWAY_TOKEN); other users of the machine can see it here')
    .option('--token-file <file>', 'file that holds the token; better than --token')
    .option('--local <file>', 'where a local run has written its endpoints', LOCAL_FILE)
    .addOption(new Option('-o, --output <form>', 'for people or for scripts').choices(['table', 'json']).default('table'))
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText(
      'after',
      `\n${EXIT_CODE_HELP}\n\nWith -o json the standard output holds exactly one JSON document, also for an error: {"error": {"code", "message", "retry", "details"}, "exitCode"}.\nAfter "npm start" nothing needs to be typed but the command: endpoints and token are read from ${LOCAL_FILE}.\n\nExamples:\n  cellway status\n  cellway topology apply topology.yaml --reason "add a cell in Xi'an"\n  cellway route explain --url /api/users/42`
    )
  addStatus(program, run)
  addTopology(program, run)
  addRoute(program, run)
  addBuckets(program, run)
  addReplication(program, run)
  addCenter(program, run)
  addAudit(program, run)
  addTokens(program, run)
  addDoctor(program, run)
  prepare(program, terminal)
  return program
}

/** What `optsWithGlobals` holds of the program's own options. */
export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>()
}

function addStatus(program: Command, run: Runner): void {
  program
    .command('status')
    .description('what is wrong, who owns how much, who has adopted which version, how far each cell is behind')
    .option('-w, --watch', 'renew every 2 s until Ctrl-C', false)
    .addHelpText('after', examples(['cellway status', 'cellway status --watch', "cellway status -o json | jq '.alarms'"]))
    .action((options: { watch: boolean }, command: Command) => run(options.watch ? watchStatus : showStatus, command))
}

function addTopology(program: Command, run: Runner): void {
  const topology = program.command('topology').description('check, compare and apply the topology file')
  topology
    .command('validate')
    .description('every problem of a file with its path and a fix; works offline')
    .argument('<file>', 'YAML or JSON; - is standard input')
    .addHelpText('after', examples(['cellway topology validate topology.yaml', 'generate | cellway topology validate - -o json']))
    .action((file: string, _options: unknown, command: Command) => run((context) => validateTopology(context, file), command))
  topology
    .command('diff')
    .description('what applying the file would change')
    .argument('<file>', 'YAML or JSON; - is standard input')
    .addHelpText('after', examples(['cellway topology diff topology.yaml', "cellway topology diff topology.yaml -o json | jq '.rebalance | length'"]))
    .action((file: string, _options: unknown, command: Command) => run((context) => diffTopology(context, file), command))
  topology
    .command('apply')
    .description('show the difference, ask, commit, and wait until everybody has adopted it')
    .argument('<file>', 'YAML or JSON; - is standard input')
    .option('-y, --yes', 'do not ask', false)
    .option('--reason <text>', 'why; kept in the audit log')
    .option('--no-wait', 'return after the commit')
    .option('--timeout <duration>', 'how long to wait for the adoption', '30s')
    .addHelpText(
      'after',
      examples(['cellway topology apply topology.yaml --reason "more weight for Shanghai"', 'cellway topology apply topology.yaml --yes --no-wait'])
    )
    .action((file: string, options: { yes: boolean; reason?: string; wait: boolean; timeout: string }, command: Command) =>
      run((context) => applyTopology(context, file, { ...options, reason: options.reason }), command)
    )
}

function addRoute(program: Command, run: Runner): void {
  program
    .command('route')
    .description('routing decisions')
    .command('explain')
    .description('which rule, key, bucket, owner and upstream a request gets, and why')
    .requiredOption('--url <url>', 'path with query, or a whole URL')
    .option('--method <method>', 'decides whether it is a read or a write', 'GET')
    .option('-H, --header <header>', "like 'x-user-id: 42'; may be repeated", collect, [])
    .option('--cell <cell>', 'the cell whose gateway gets the request; the first one otherwise')
    .option('--client-ip <ip>', 'where it comes from, for rules that look at geography')
    .addHelpText(
      'after',
      examples([
        'cellway route explain --url /api/users/42',
        "cellway route explain --url '/api/shops?page=2' --method POST --header 'x-area: bj' --cell shanghai",
        'cellway route explain --url https://m.shop.example/api/shops --client-ip 202.96.209.5'
      ])
    )
    .action((options: Parameters<typeof explainRoute>[1], command: Command) => run((context) => explainRoute(context, options), command))
}

function addBuckets(program: Command, run: Runner): void {
  program
    .command('buckets')
    .description('rows of the ledger: who owns which buckets, in which epoch and state')
    .option('--space <space>', 'only this space')
    .option('--owner <cell>', 'only what this cell owns')
    .addOption(new Option('--state <state>', 'only this state').choices(['owned', 'moving', 'frozen']))
    .option('--full', 'one row per bucket instead of ranges', false)
    .addHelpText(
      'after',
      examples([
        'cellway buckets --space users',
        'cellway buckets --owner beijing --full',
        "cellway buckets --state moving -o json | jq '.buckets[].bucket'"
      ])
    )
    .action((options: Parameters<typeof listBuckets>[1], command: Command) => run((context) => listBuckets(context, options), command))
}

function addAudit(program: Command, run: Runner): void {
  const audit = program.command('audit').description('the log of administrative changes: who, when, what, why')
  audit
    .command('tail')
    .description('the newest records')
    .option('-n, --lines <count>', 'how many', '20')
    .option('-w, --watch', 'go on with new ones until Ctrl-C', false)
    .addHelpText('after', examples(['cellway audit tail', 'cellway audit tail -n 100 -o json', 'cellway audit tail --watch']))
    .action((options: { lines: string; watch: boolean }, command: Command) => run((context) => tailAudit(context, options), command))
  audit
    .command('verify')
    .description('walk the hash chain and name the first broken link; exit code 4 if there is one')
    .addHelpText('after', examples(['cellway audit verify', 'cellway audit verify -o json']))
    .action((_options: unknown, command: Command) => run(verifyAudit, command))
}

function addTokens(program: Command, run: Runner): void {
  const tokens = program.command('tokens').description('bearer tokens of people and processes')
  tokens
    .command('list')
    .description('all tokens, without their secrets')
    .addHelpText('after', examples(['cellway tokens list']))
    .action((_options: unknown, command: Command) => run(listTokens, command))
  tokens
    .command('create')
    .description('make a token; its secret is shown once')
    .argument('<name>', 'whose it is')
    .addOption(new Option('--role <role>', 'what it may do').choices([...ROLES]).makeOptionMandatory())
    .option('--cell <cell>', 'for agents (gateways, replicators): the cell they speak for')
    .option('--expires <duration>', 'when it ends by itself, like 12h or 90d')
    .option('--write <file>', 'put the secret into a new file, readable by you only')
    .option('--reason <text>', 'why; kept in the audit log')
    .addHelpText(
      'after',
      examples([
        'cellway tokens create alice --role operator --expires 90d',
        'cellway tokens create beijing-gw-1 --role agent --cell beijing --write gateway.token'
      ])
    )
    .action((name: string, options: Parameters<typeof createToken>[2], command: Command) =>
      run((context) => createToken(context, name, options), command)
    )
  tokens
    .command('revoke')
    .description('end a token; its open streams end within seconds')
    .argument('<id>', 'as in "cellway tokens list"')
    .option('-y, --yes', 'do not ask', false)
    .option('--reason <text>', 'why; kept in the audit log')
    .addHelpText('after', examples(['cellway tokens revoke 4f2a91c07b3d --reason "laptop lost"']))
    .action((id: string, options: { yes: boolean; reason?: string }, command: Command) =>
      run((context) => revokeToken(context, id, options), command)
    )
}

function addDoctor(program: Command, run: Runner): void {
  program
    .command('doctor')
    .description('examine control, gateways, apps, MySQL and Redis; each finding with what mends it')
    .option('--cell <cell>', 'only this cell')
    .option('--grants', 'print the statements that make the accounts of the replicators, and look at nothing', false)
    .addHelpText(
      'after',
      `\nChanges nothing. Exit code 4 when something needs an operator.${examples(['cellway doctor', 'cellway doctor --cell shanghai', 'cellway doctor --grants', 'cellway doctor -o json | jq \'.findings[] | select(.verdict == "fail")\''])}`
    )
    .action((options: { cell?: string; grants: boolean }, command: Command) =>
      // The store drivers take as long to load as everything else together.
      run(async (context) => (await import('./commands/doctor.ts')).runDoctor(context, options), command)
    )
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  if (value.trim() === '') throw new InvalidArgumentError('it is empty')
  return [...before, value]
}

/** No command may end the process or write past the terminal; settings are not inherited once subcommands exist. */
function prepare(command: Command, terminal: Terminal): void {
  command.exitOverride((error: CommanderError) => {
    throw error
  })
  command.configureOutput({
    writeOut: (text) => terminal.out(text.trimEnd()),
    writeErr: (text) => terminal.err(text.trimEnd()),
    outputError: () => undefined
  })
  for (const sub of command.commands) prepare(sub, terminal)
}
