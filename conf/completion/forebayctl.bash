# shellcheck shell=bash
# What bash offers behind forebayctl: commands, options, sockets, and after "set"
# the names that the running server has. bash-completion loads it by its name.

# Names that may be set, asked of the server that the line names so far.
_forebayctl_settings()
{
	local program=$1
	shift
	"$program" --timeout 500ms "$@" status 2>/dev/null |
		awk '/^pool / { inside = 1; next }
		     !NF { inside = 0 }
		     inside { print "pool." $1 ".threads pool." $1 ".max_queue pool." $1 ".max_wait" }'
}

_forebayctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' place=0 i word
	local -a server=()

	# bash splits --socket=PATH into three words.
	if [ "$current" = '=' ]; then
		current=''
	elif [ "$before" = '=' ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $before in
	-s | --socket | --histogram)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-a | --address | -t | --timeout | --rate | --service | --cv | --threads | --queue | \
		--fan-out | --deadline | --slo | --cores | --window | --what-if | --pool)
		return
		;;
	esac

	# The command, and how many of its arguments stand before this word.
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-s | --socket | -a | --address | -t | --timeout)
			((i++))
			[ "${COMP_WORDS[i]}" = '=' ] && ((i++))
			case $word in
			-t | --timeout) ;;
			*) server=("$word" "${COMP_WORDS[i]}") ;;
			esac
			;;
		-*) ;;
		*)
			if [ -z "$command" ]; then
				command=$word
			else
				((place++))
			fi
			;;
		esac
	done

	if [ "$command" = plan ]; then
		word='--rate --service --cv --histogram --pool --threads --queue --fan-out --deadline --slo --cores
			--simulate --order --json --help'
	elif [ "$command" = advise ]; then
		word='--window --pool --slo --deadline --cores --what-if --socket --address --timeout
			--json --help'
	elif [[ $current == -* ]]; then
		word='--address --help --json --socket --timeout --version --wait'
	elif [ -z "$command" ]; then
		word='status stalls metrics ready reload set purge drain plan advise'
	elif [ "$command" = set ] && [ "$place" -eq 0 ]; then
		word=$(_forebayctl_settings "${COMP_WORDS[0]}" "${server[@]}")
	else
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -F _forebayctl forebayctl
