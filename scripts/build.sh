# shellcheck shell=sh
# Builds out of tree, in build/VARIANT; sourced by the scripts beside it, which
# set $root to the top of the source tree:
#
#     build=$(build_folder gcc)
#     configure_build "$build" [ARGUMENT OF CONFIGURE...]
#     make -C "$build" ...
#
# Leaves with 1 and the last lines of what configure said if it fails.

# FOREBAY_BUILD=DIR builds below DIR instead of build/.
build_folder()
{
	: "${root:?}"
	echo "${FOREBAY_BUILD:-$root/build}/$1"
}

# Anew when packages have come or gone since: what configure finds decides what is built.
is_configured()
{
	[ -f "$1/Makefile" ] && [ -f "$1/configured" ] &&
		[ -z "$(find /var/lib/dpkg/status -newer "$1/configured" 2>/dev/null)" ]
}

configure_build()
{
	folder=$1
	shift
	if [ -f "$root/config.status" ]; then
		echo "$root was configured in place; run 'make distclean' there first" >&2
		return 1
	fi
	mkdir -p "$folder"
	if [ ! -x "$root/configure" ]; then
		echo "making configure"
		(cd "$root" && autoreconf -fi) >"$folder/autoreconf.out" 2>&1 || {
			tail -n 30 "$folder/autoreconf.out" >&2
			return 1
		}
	fi
	if is_configured "$folder"; then
		return 0
	fi
	echo "configuring in $folder"
	(cd "$folder" && "$root/configure" "$@") >"$folder/configure.out" 2>&1 || {
		tail -n 30 "$folder/configure.out" >&2
		return 1
	}
	touch "$folder/configured"
}
