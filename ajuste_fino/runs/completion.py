"""`ajuste-fino completion bash|zsh|fish`: a script for the shell, which asks `completion words LINE` at every TAB.

Hydra's own completion needs `hydra.main`, and a second for each TAB.
"""

import shlex
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ajuste_fino.errors import UserError, nearest
from ajuste_fino.runs import conf
from ajuste_fino.runs.grammar import PATHS
from ajuste_fino.verbs import VERBS

PATH = "<path>"  # instead of words, where the shell completes paths as it always does
FLAGS = ("-m", "--config-dir", "--cfg", "--resolve", "--help")

BASH = r"""_ajuste_fino() {
    local line=${COMP_LINE:0:COMP_POINT} prefix= IFS=$'\n'
    local found=($("${1/#\~/$HOME}" completion words "$line" 2>/dev/null))
    if [[ ${found[0]} == "<path>" ]]; then
        COMPREPLY=()
        compopt -o default +o nospace 2>/dev/null
        return
    fi
    local word=${line##*[[:space:]]}
    # where = separates words, bash replaces only what follows it
    [[ $COMP_WORDBREAKS == *=* && $word == *=* ]] && prefix=${word%"${word##*=}"}
    COMPREPLY=("${found[@]#"$prefix"}")
}
complete -o nospace -F _ajuste_fino ajuste-fino
"""

ZSH = r"""(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_ajuste_fino() {
    local -a found=("${(@f)$("${words[1]/#\~/$HOME}" completion words "$LBUFFER" 2>/dev/null)}")
    if [[ $found[1] == "<path>" ]]; then
        compset -P '*='
        _files
    else
        compadd -Q -S '' -- "${(@)found:#}"
    fi
}
compdef _ajuste_fino ajuste-fino
"""

FISH = r"""function __ajuste_fino
    set -l found (ajuste-fino completion words (commandline -cp | string collect) 2>/dev/null)
    if test "$found[1]" = "<path>"
        set -l word (commandline -ct)
        set -l key (string match -r '^.*=' -- $word)
        printf '%s\n' "$key"(__fish_complete_path (string replace -- "$key" '' $word))
    else
        string trim --right -- $found # fish sets the space itself
    end
end
complete -c ajuste-fino -f -a '(__ajuste_fino)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def answer(arguments: Sequence[str]) -> str:
    """The script for a shell; for `words LINE` what may follow, a line each.

    Raises:
        UserError: for a shell that is none of these.
    """
    if arguments[:1] == ["words"]:
        return "\n".join(words(arguments[-1]))
    if len(arguments) != 1 or arguments[0] not in SCRIPTS:
        shell = " ".join(arguments)
        fix = nearest(shell, list(SCRIPTS)) if shell else 'Put eval "$(ajuste-fino completion bash)" into ~/.bashrc.'
        raise UserError("completion", f"must be followed by one of {', '.join(SCRIPTS)}", got=shell or None, fix=fix)
    return SCRIPTS[arguments[0]].rstrip("\n")


def words(line: str) -> list[str]:
    """What the last word of a command line, up to the cursor, may become; a space follows what is whole."""
    parts = _split(line)
    if len(parts) < 2:
        return []
    _, *before, word = parts
    if not before:
        return _starting(word, _whole([*VERBS, "completion", "--help", "--version"]))
    name, *rest = before
    if name == "completion":
        return _starting(word, _whole(SCRIPTS)) if not rest else []
    if name not in VERBS:
        return []
    if VERBS[name].names:
        if not rest:
            return _starting(word, _whole([*conf.options(name), "--help"]))
        name, rest = f"{name}/{rest[0]}", rest[1:]
    return _after_verb(name, rest, word)


def _after_verb(config: str, before: Sequence[str], word: str) -> list[str]:
    """Keys, names of a group, flags, or a path."""
    if before[-1:] == ["--config-dir"]:
        return [PATH]
    if word.startswith("-"):
        return _starting(word, _whole(FLAGS))
    directory = dict(pairwise(before)).get("--config-dir")
    key, sign, value = word.lstrip("+~").partition("=")
    if sign:
        return _values(word, key, value, conf.options(key, directory) if key in conf.groups(config) else [], "-m" in before)
    topics = conf.topics(config, conf.choices(config, before), directory)
    found = [f"{one.name}{'=' if one.default else '.'}" for topic in topics for one in topic.keys]
    found += [f"{topic.name}=" for topic in topics if len(topic.names) > 1]
    prefix = word[: len(word) - len(key)]
    return [f"{prefix}{one}" for one in _one_level(key, found)]


def _values(word: str, key: str, value: str, names: Sequence[str], several: bool) -> list[str]:
    if key in PATHS:
        return [PATH]
    start = word.rpartition(",")[0] + "," if several and "," in value else f"{word.partition('=')[0]}="
    ends = [f"{start}{name}" for name in names]
    return _starting(word, ends if several else _whole(ends))


def _one_level(word: str, keys: Iterable[str]) -> list[str]:
    """Of `optimizer.lr=`, what comes up to the next dot after the word."""
    return sorted({key[: key.find(".", len(word)) + 1] or key for key in _starting(word, keys)} - {word})


def _whole(words: Iterable[str]) -> list[str]:
    return [f"{word} " for word in words]


def _starting(word: str, known: Iterable[str]) -> list[str]:
    return sorted(one for one in known if one.startswith(word))


def _split(line: str) -> list[str]:
    """The words of a line that may end within quotes; the last one is empty after a space."""
    for end in ("", "'", '"', "\\"):
        try:
            found = shlex.split(line + end)
        except ValueError:  # it ends within quotes, or after a backslash: close them
            continue
        return [*found, ""] if not end and line[-1:].isspace() else found
    return []
