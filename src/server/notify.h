/*
 * What the service manager is told: that the server is ready, that it reloads,
 * ends, lives, and a line for `systemctl status`. Over libsystemd; without it,
 * or when nobody listens (NOTIFY_SOCKET is not set), every call does nothing.
 * Any thread may call; nothing is kept, nothing can fail.
 */
#ifndef FOREBAY_SERVER_NOTIFY_H
#define FOREBAY_SERVER_NOTIFY_H

#include <stdint.h>

/* A text is shown up to its first newline: one field, whatever it says. */

/* Started, or a reload is over, however it went; `status` says how. */
void notify_ready(const char *status);
/* The same, with the usual text: "serving: 4 workers, 12 routes". */
void notify_serving(unsigned workers, unsigned routes);
/* A reload begins; notify_ready() or notify_serving() must follow. */
void notify_reloading(void);
/* Ending may take so long from now. */
void notify_stopping(const char *status, uint64_t ns);

/* How often notify_alive() is expected at least, in ns; 0: nobody waits for it. */
uint64_t notify_watchdog(void);
void notify_alive(void);

/* Version of libsystemd at build time, or "no". */
const char *notify_library_version(void);

#endif
