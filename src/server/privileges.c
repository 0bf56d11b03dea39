/*
 * Dropping root; see privileges.h.
 */
#include "server/privileges.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* Text of a slice that a NUL follows, as all texts of a configuration. */
static const struct passwd *
find_user(struct slice user)
{
	const struct passwd *found = getpwnam(user.at);
	uint64_t id;

	if (!found && slice_to_u64(user, &id) == 0 && id < UINT32_MAX)
		found = getpwuid((uid_t)id);
	return found;
}

int
privileges_drop(struct slice user)
{
	const struct passwd *found;

	if (geteuid() != 0) {
		if (user.len)
			log_notice("not root: [server] user = %.*s is ignored", SLICE_PRINT(user));
		return 0;
	}
	if (user.len == 0) {
		log_warning("running as root: set [server] user");
		return 0;
	}
	found = find_user(user);
	if (!found) {
		log_error("[server] user: there is no user %.*s", SLICE_PRINT(user));
		return ERR_NOT_FOUND;
	}
	if (initgroups(found->pw_name, found->pw_gid) != 0 || setgid(found->pw_gid) != 0 ||
	    setuid(found->pw_uid) != 0) {
		log_error("[server] user: cannot become %s: %s", found->pw_name, strerror(errno));
		return ERR_SYSTEM;
	}
	return 0;
}
