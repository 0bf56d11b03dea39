/*
 * libvips as the module uses it. It is looked up by init(), which runs in the processes of the
 * jobs: the server, which loads the module for its tables alone, never has the library and the many
 * that it stands on.
 */
#ifndef FOREBAY_IMAGE_LIBRARY_H
#define FOREBAY_IMAGE_LIBRARY_H

#include <vips/vips.h>

#include <vips/vector.h>

/* FUNCTION(name): each by its own type. */
#define LIBRARY_FUNCTIONS                                                                          \
	FUNCTION(vips_init)                                                                        \
	FUNCTION(vips_concurrency_set)                                                             \
	FUNCTION(vips_cache_set_max)                                                               \
	FUNCTION(vips_vector_set_enabled)                                                          \
	FUNCTION(vips_block_untrusted_set)                                                         \
	FUNCTION(vips_error_buffer)                                                                \
	FUNCTION(vips_error_clear)                                                                 \
	FUNCTION(vips_image_new_from_buffer)                                                       \
	FUNCTION(vips_image_set_kill)                                                              \
	FUNCTION(vips_image_set_progress)                                                          \
	FUNCTION(vips_image_hasalpha)                                                              \
	FUNCTION(vips_image_get_width)                                                             \
	FUNCTION(vips_image_get_height)                                                            \
	FUNCTION(vips_image_get_interpretation)                                                    \
	FUNCTION(vips_image_get_orientation)                                                       \
	FUNCTION(vips_image_get_typeof)                                                            \
	FUNCTION(vips_image_copy_memory)                                                           \
	FUNCTION(vips_autorot)                                                                     \
	FUNCTION(vips_thumbnail_buffer)                                                            \
	FUNCTION(vips_thumbnail_image)                                                             \
	FUNCTION(vips_icc_transform)                                                               \
	FUNCTION(vips_colourspace)                                                                 \
	FUNCTION(vips_extract_area)                                                                \
	FUNCTION(vips_flatten)                                                                     \
	FUNCTION(vips_array_double_new)                                                            \
	FUNCTION(vips_area_unref)                                                                  \
	FUNCTION(vips_jpegsave_buffer)                                                             \
	FUNCTION(vips_pngsave_buffer)                                                              \
	FUNCTION(vips_webpsave_buffer)                                                             \
	FUNCTION(g_object_unref)                                                                   \
	FUNCTION(g_signal_connect_data)                                                            \
	FUNCTION(g_free)

/* libvips calls back on threads of its own. What orders that are locks which the thread sanitizer
 * does not see, as the library is built without it: so it is told where a thread goes on with what
 * another one has left. */
#if defined(__SANITIZE_THREAD__)
#define IS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_TSAN 1
#endif
#endif

#ifdef IS_TSAN
#include <sanitizer/tsan_interface.h>
#define HAND_OVER(what) __tsan_release(what)
#define TAKE_OVER(what) __tsan_acquire(what)
#else
#define HAND_OVER(what) ((void)(what))
#define TAKE_OVER(what) ((void)(what))
#endif

struct library {
	void *handle;
#define FUNCTION(name) __typeof__(&name) name;
	LIBRARY_FUNCTIONS
#undef FUNCTION
};

#endif
