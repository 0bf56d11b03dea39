# shellcheck shell=sh
# Installs what is missing of groups of scripts/packages; sourced by the
# scripts beside it, which set $root to the top of the source tree:
#
#     install_packages build test
#
# Leaves with 1 and a sentence that says what to install by hand if it cannot.

# The packages of the groups named, each once.
list_packages()
{
	: "${root:?}"
	for group in "$@"; do
		awk -v group="$group" '$1 == group { print $2 }' "$root/scripts/packages"
	done | sort -u
}

is_installed()
{
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q ' installed$'
}

install_packages()
{
	missing=
	for package in $(list_packages "$@"); do
		is_installed "$package" || missing="$missing $package"
	done
	if [ -z "$missing" ]; then
		return 0
	fi
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		as_root=sudo
	fi
	if ! command -v apt-get >/dev/null || { [ -n "$as_root" ] && ! command -v sudo >/dev/null; }; then
		echo "These packages are missing and cannot be installed from here:$missing" >&2
		echo "Install them as root, on Debian with: apt-get install$missing" >&2
		return 1
	fi
	echo "Installing:$missing"
	# The lists may be absent (a container) or old: one update, then the packages.
	$as_root apt-get -q -q update || echo "apt-get update failed; trying with the lists as they are" >&2
	# shellcheck disable=SC2086 # a list of words on purpose
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -q -y --no-install-recommends install $missing || {
		echo "apt-get could not install:$missing" >&2
		return 1
	}
}
