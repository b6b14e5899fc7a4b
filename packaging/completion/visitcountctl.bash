# SPDX-License-Identifier: MIT
# Completion of visitcountctl(1) for bash.

# BEGIN visitcountctl --print-reference bash
_visitcountctl_commands='status ping get set add delete rename top series sites export backup repair whoami config check reload drain journal log-level version metrics import help'
_visitcountctl_options='--socket --instance --json --timeout --watch --trust --force --help --version --print-reference'
_visitcountctl_words() {
    case $1 in
    series) echo 'day hour unique' ;;
    whoami) echo 'unix' ;;
    journal) echo 'show aside verify replay' ;;
    log-level) echo 'error warning info debug' ;;
    help) echo 'status ping get set add delete rename top series sites export backup repair whoami config check reload drain journal log-level version metrics import help' ;;
    --timeout) echo '1s 5s 30s' ;;
    --trust) echo 'hits' ;;
    --print-reference) echo 'man markdown bash' ;;
    esac
}
# END visitcountctl --print-reference bash

_visitcountctl_instances() {
    local socket
    for socket in "${VISITCOUNTCTL_RUN_DIR:-/run/visitcountd}"/*/admin.sock; do
        if [ -S "$socket" ]; then
            socket=${socket%/admin.sock}
            echo "${socket##*/}"
        fi
    done
}

# The command among the words before the cursor, or nothing.
_visitcountctl_command() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket | --instance | --timeout | --print-reference) ((i++)) ;;
        -*) ;;
        *)
            echo "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_visitcountctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command
    case $previous in
    --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --instance)
        mapfile -t COMPREPLY < <(compgen -W "$(_visitcountctl_instances)" -- "$current")
        return
        ;;
    --timeout | --print-reference)
        mapfile -t COMPREPLY < <(compgen -W "$(_visitcountctl_words "$previous")" -- "$current")
        return
        ;;
    esac
    command=$(_visitcountctl_command)
    case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$_visitcountctl_options" -- "$current") ;;
    *)
        if [ -z "$command" ]; then
            mapfile -t COMPREPLY < <(compgen -W "$_visitcountctl_commands" -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(_visitcountctl_words "$command")" -- "$current")
        fi
        ;;
    esac
}

complete -o default -F _visitcountctl visitcountctl
