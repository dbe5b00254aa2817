# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion of sluicectl. Commands and options are those that its --help names, consumers those of
# the configuration, or of the daemon that runs.

_sluicectl_commands() {
	sluicectl --help 2>/dev/null |
		sed -n -E '/^$/{:a;n;/^$/q;s/^  ([a-z]+( [a-z]+)?)( .*|$)/\1/p;ba}'
}

# The first two words that are neither options nor what follows one; and how many words there are.
_sluicectl_words() {
	local i word
	words=() name_options=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-c | --config | --instance | --socket | --url)
			name_options+=("$word" "${COMP_WORDS[++i]}")
			;;
		-n) ((i++)) ;;
		--*=*) ;;
		--*)
			[[ $(sluicectl "${words[@]:0:2}" --help 2>/dev/null) =~ $word\ [A-Z] ]] && ((i++))
			;;
		-?*) ;;
		*) words+=("$word") ;;
		esac
	done
}

_sluicectl_options() {
	sluicectl "$@" --help 2>/dev/null | sed -n -E 's/^  (-.), (--[a-z-]+).*/\1 \2/p; s/^ {6}(--[a-z-]+).*/\1/p'
}

_sluicectl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} commands command words name_options

	COMPREPLY=()
	case $prev in
	-c | --config | --socket | --ndjson)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	_sluicectl_words
	commands=$(_sluicectl_commands)
	command=${words[0]-}
	grep -qx -- "$command ${words[1]-}" <<<"$commands" && command="$command ${words[1]}"
	if [[ $cur == -* ]]; then
		# shellcheck disable=SC2086 # a command may be two words
		mapfile -t COMPREPLY < <(compgen -W "$(_sluicectl_options $command)" -- "$cur")
	elif ((${#words[@]} == 0)); then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$commands" | uniq)" -- "$cur")
	elif ((${#words[@]} == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^$command //p" <<<"$commands")
			$(_sluicectl_names)" -- "$cur")
	elif ((${#words[@]} == 2)) && [[ $command == *' '* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_sluicectl_names)" -- "$cur")
	fi
}

# Of what takes a name.
_sluicectl_names() {
	# shellcheck disable=SC2086 # a command may be two words
	sluicectl $command --help 2>/dev/null | grep -qE "^usage: .* $command \[?NAME" || return
	sluicectl "${name_options[@]}" names 2>/dev/null
}
complete -F _sluicectl sluicectl
