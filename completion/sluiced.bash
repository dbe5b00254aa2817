# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion of sluiced

_sluiced() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local options='-c --config --instance --log-level --check --print-config --print-schema --version -h --help'

	COMPREPLY=()
	case $prev in
	-c | --config)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	--instance) ;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'error warning notice info debug' -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		;;
	esac
}
complete -F _sluiced sluiced
