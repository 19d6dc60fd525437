/**
 * `keywright completion bash|zsh|fish`: a script for the shell, made from the list of commands.
 */
import { Argument, type Command } from 'commander'
import type { Streams } from '../session.ts'

interface Words {
  /** The words before it, such as `keys create`. */
  readonly path: string
  readonly words: readonly string[]
}

function wordsOf(command: Command, path: readonly string[]): Words[] {
  const options = command.options.map((option) => option.long).filter((long) => long !== undefined && long !== null)
  const own = { path: path.join(' '), words: [...command.commands.map((child) => child.name()), ...options, '--help'] }
  return [own, ...command.commands.flatMap((child) => wordsOf(child, [...path, child.name()]))]
}

const bash = (all: readonly Words[]) => `_keywright() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word == -* ]] || path="\${path:+$path }$word"; done
  case "$path" in
${all.map(({ path, words }) => `    "${path}") COMPREPLY=($(compgen -W "${words.join(' ')}" -- "\${COMP_WORDS[COMP_CWORD]}")) ;;`).join('\n')}
  esac
}
complete -F _keywright keywright`

const zsh = (all: readonly Words[]) => `autoload -U +X bashcompinit && bashcompinit\n${bash(all)}`

const fish = (all: readonly Words[]) =>
  all
    .map(({ path, words }) => {
      const condition =
        path === ''
          ? '__fish_use_subcommand'
          : path
              .split(' ')
              .map((word) => `__fish_seen_subcommand_from ${word}`)
              .join('; and ')
      return `complete -c keywright -f -n '${condition}' -a '${words.join(' ')}'`
    })
    .join('\n')

const shells: Readonly<Record<string, (all: readonly Words[]) => string>> = { bash, zsh, fish }

export function addCompletion(program: Command, streams: Streams): void {
  program
    .command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<SHELL>').choices(Object.keys(shells)))
    .addHelpText('after', '\nExample: source <(keywright completion bash)')
    .action((shell: string) => streams.out(shells[shell]?.(wordsOf(program, [])) ?? ''))
}
