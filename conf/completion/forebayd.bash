# shellcheck shell=bash
# What bash offers behind forebayd: its options, and files after --config.
# bash-completion loads it by its name.

_forebayd()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	# bash splits --config=FILE into three words.
	if [ "$current" = '=' ]; then
		current=''
	elif [ "$before" = '=' ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $before in
	-c | --config)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	-m | --match | --explain) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W '--config --dot --dump --explain --help --match --test --verbose --version' \
			-- "$current")
		;;
	esac
}

complete -F _forebayd forebayd
