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

struct library {
	void *handle;
#define FUNCTION(name) __typeof__(&name) name;
	LIBRARY_FUNCTIONS
#undef FUNCTION
};

#endif
