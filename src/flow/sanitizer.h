/*
 * What sanitizers want to know of coroutines: which stack a thread is on, and
 * when it goes to another. Nothing at all in other builds. For the files of
 * this folder.
 */
#ifndef FOREBAY_FLOW_SANITIZER_H
#define FOREBAY_FLOW_SANITIZER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER_ADDRESS 1
#endif
#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREAD 1
#endif

#ifdef SANITIZER_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SANITIZER_THREAD
#include <sanitizer/tsan_interface.h>
#endif

/* One side of a switch, while the thread is on the other. */
struct sanitizer_side {
	void *fake; /* the address sanitizer's own stack beside it */
	const void *base;
	size_t bytes;
	void *fiber;
};

static inline void *
sanitizer_make_fiber(void)
{
#ifdef SANITIZER_THREAD
	return __tsan_create_fiber(0);
#else
	return NULL;
#endif
}

static inline void
sanitizer_drop_fiber(void *fiber)
{
#ifdef SANITIZER_THREAD
	__tsan_destroy_fiber(fiber);
#endif
	(void)fiber;
}

static inline void
sanitizer_clear(void *at, size_t bytes)
{
#ifdef SANITIZER_ADDRESS
	__asan_unpoison_memory_region(at, bytes);
#endif
	(void)at;
	(void)bytes;
}

/* Right before a switch. `from` is NULL where nobody will come back to. */
static inline void
sanitizer_leave(struct sanitizer_side *from, const struct sanitizer_side *to)
{
#ifdef SANITIZER_ADDRESS
	__sanitizer_start_switch_fiber(from ? &from->fake : NULL, to->base, to->bytes);
#endif
#ifdef SANITIZER_THREAD
	if (from)
		from->fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	(void)from;
	(void)to;
}

/* Right after it, on the other side: `to` is where the thread is now, `from` where it was. */
static inline void
sanitizer_arrive(const struct sanitizer_side *to, struct sanitizer_side *from)
{
#ifdef SANITIZER_ADDRESS
	__sanitizer_finish_switch_fiber(to->fake, from ? &from->base : NULL,
					from ? &from->bytes : NULL);
#endif
	(void)to;
	(void)from;
}

#endif
