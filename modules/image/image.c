/*
 * The module image: pictures made smaller, cropped and converted, JPEG, PNG and WebP, on libvips.
 * Metadata is left out, what EXIF says of the orientation is done, and colours become those of
 * sRGB. Its jobs run in processes of their own unless it is told otherwise: the libraries below
 * abort without memory.
 *
 *   probe (probe.h)   format and size, from the head: too many pixels are refused
 *   open              what libvips takes the size for: the same, before anything is decoded
 *   crop              of the picture as it is seen
 *   make smaller      without a crop while it is decoded: JPEG decodes no more than is needed
 *   save              to the format that is asked for, or the one it came in
 */
#include <forebay_module.h>

#include "library.h"
#include "probe.h"
#include "webp.h"

#include <dlfcn.h>
#include <string.h>

enum {
	SIDE_MAX = 16383, /* of what is made: what WebP can */
	FIXED_PIXELS = 65536, /* as much as every run has to do beside them */
};

/* For loaders: the sandbox has no files, in which libvips would keep what is large. */
#define IN_MEMORY "[memory=true]"

/* Of a process: 50 megapixels of the format that takes most, WebP, are 1.5 GB. */
#define MEMORY_BYTES (UINT64_C(2) << 30)

enum fit { FIT_INSIDE, FIT_COVER, FIT_FILL };
enum to { TO_SAME, TO_JPEG, TO_PNG, TO_WEBP };

struct image_params {
	struct forebay_bytes width, height, crop;
	enum fit fit;
	enum to to;
	bool enlarge;
	uint32_t quality;
	uint64_t max_pixels;
};

/* What of it this run wants; 0: not said. */
struct wish {
	unsigned width, height;
	unsigned crop[4]; /* x, y, width, height; width 0: all of it */
};

/* --- what the request says --------------------------------------------------------------- */

/* What steps of a run return, beside errors. */
enum { GO_ON, ANSWERED };

/* Answers with that status and text. */
static int
refuse(struct forebay_call *c, int status, const char *text)
{
	int err = forebay_set_status(c, status);

	if (!err)
		err = forebay_printf(c, "%s\n", text);
	return err ? err : ANSWERED;
}

/* Moves on behind it. */
static bool
read_number(struct forebay_bytes *text, unsigned *value)
{
	size_t n = 0;

	*value = 0;
	while (n < text->len && text->at[n] >= '0' && text->at[n] <= '9' && *value <= SIDE_MAX * 10)
		*value = *value * 10 + (unsigned)(text->at[n++] - '0');
	text->at += n;
	text->len -= n;
	return n > 0;
}

/* Absent is nothing. */
static bool
read_side(struct forebay_bytes text, unsigned *value)
{
	*value = 0;
	if (!text.at || text.len == 0)
		return true;
	return read_number(&text, value) && text.len == 0 && *value > 0 && *value <= SIDE_MAX;
}

/* x,y,width,height */
static bool
read_crop(struct forebay_bytes text, unsigned crop[4])
{
	memset(crop, 0, 4 * sizeof(*crop));
	if (!text.at || text.len == 0)
		return true;
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && (text.len == 0 || *text.at != ','))
			return false;
		text.at += i > 0;
		text.len -= i > 0;
		if (!read_number(&text, &crop[i]))
			return false;
	}
	return text.len == 0 && crop[2] > 0 && crop[3] > 0;
}

/* --- a run --------------------------------------------------------------------------------- */

struct run {
	struct forebay_call *call;
	const struct library *vips;
	const struct image_params *params;
	struct wish wish;
	struct probe probe;
	VipsImage *image; /* owned */
	const char *to_profile; /* of sRGB; NULL: its colours are those of sRGB, as it came */
};

/* It takes the place of the last one. */
static void
put(struct run *r, VipsImage *next)
{
	if (r->image)
		r->vips->g_object_unref(r->image);
	r->image = next;
}

/* What libvips has to say about it is for nobody: it is the picture that is wrong, or the run's
 * end. */
static int
give_up(struct run *r)
{
	r->vips->vips_error_clear();
	if (forebay_is_cancelled(r->call))
		return FOREBAY_CANCELLED;
	return refuse(r->call, 422, "The picture cannot be read.");
}

static int
refuse_size(struct run *r)
{
	return refuse(r->call, 413, "The picture has too many pixels.");
}

static bool
is_too_large(const struct run *r)
{
	uint64_t width = (uint64_t)r->vips->vips_image_get_width(r->image);
	uint64_t height = (uint64_t)r->vips->vips_image_get_height(r->image);

	return width * height > r->params->max_pixels;
}

/* Called while pixels are computed; the first argument says whether to stop. */
static void
on_progress(VipsImage *image, VipsProgress *progress, struct run *r)
{
	(void)progress;
	TAKE_OVER(r);
	if (forebay_is_cancelled(r->call))
		r->vips->vips_image_set_kill(image, TRUE);
	HAND_OVER(r);
}

/* Whoever computes the pixels of this image asks who still waits for them. */
static void
watch(struct run *r)
{
	HAND_OVER(r);
	r->vips->vips_image_set_progress(r->image, TRUE);
	r->vips->g_signal_connect_data(r->image, "eval", G_CALLBACK(on_progress), r, NULL, 0);
}

static VipsSize
size_of(const struct image_params *p)
{
	if (p->fit == FIT_FILL)
		return VIPS_SIZE_FORCE;
	return p->enlarge ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
}

/* At least one side is given; the other one follows it. */
static int
make_smaller(struct run *r)
{
	const struct image_params *p = r->params;
	int width = r->wish.width ? (int)r->wish.width : SIDE_MAX;
	int height = r->wish.height ? (int)r->wish.height : SIDE_MAX;
	bool is_both = r->wish.width && r->wish.height;
	VipsSize size = is_both || p->fit != FIT_FILL ? size_of(p) : VIPS_SIZE_DOWN;
	VipsInteresting crop =
	    p->fit == FIT_COVER && is_both ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE;
	VipsImage *out = NULL;
	int code;

	if (r->image)
		code = r->vips->vips_thumbnail_image(r->image, &out, width, "height", height,
						     "size", size, "crop", crop, NULL);
	else
		code = r->vips->vips_thumbnail_buffer(
		    (void *)(uintptr_t)r->call->input.at, r->call->input.len, &out, width, "height",
		    height, "size", size, "crop", crop, "export_profile", r->to_profile,
		    "option_string", IN_MEMORY, NULL);
	if (code != 0)
		return give_up(r);
	put(r, out);
	return is_too_large(r) ? refuse_size(r) : 0;
}

static bool
has_profile(const struct run *r)
{
	return r->vips->vips_image_get_typeof(r->image, VIPS_META_ICC_NAME) != 0;
}

static bool
is_cmyk(const struct run *r)
{
	return r->vips->vips_image_get_interpretation(r->image) == VIPS_INTERPRETATION_CMYK;
}

/* Reads the head alone: pixels are decoded when they are asked for, from the top to the bottom. So
 * what the decoder itself takes the size for decides, whatever the probe was told. */
static int
open_head(struct run *r)
{
	put(r, r->vips->vips_image_new_from_buffer(r->call->input.at, r->call->input.len, IN_MEMORY,
						   "access", VIPS_ACCESS_SEQUENTIAL, NULL));
	if (!r->image)
		return give_up(r);
	r->to_profile = has_profile(r) || is_cmyk(r) ? "srgb" : NULL;
	return is_too_large(r) ? refuse_size(r) : 0;
}

/* One that lies on its side is read across, for which all of it has to be there: in memory, as the
 * sandbox has no files. */
static int
turn_upright(struct run *r)
{
	VipsImage *out = NULL;

	if (r->vips->vips_image_get_orientation(r->image) <= 1)
		return 0;
	watch(r);
	put(r, r->vips->vips_image_copy_memory(r->image));
	TAKE_OVER(r);
	if (!r->image || r->vips->vips_autorot(r->image, &out, NULL) != 0)
		return give_up(r);
	put(r, out);
	return 0;
}

/* A profile that is none, or of other colours than the picture's, is as none. */
static bool
apply_profile(struct run *r)
{
	const char *otherwise = is_cmyk(r) ? "cmyk" : "srgb";
	VipsImage *out = NULL;
	int code = r->vips->vips_icc_transform(r->image, &out, "srgb", "embedded", TRUE,
					       "input_profile", otherwise, NULL);

	r->vips->vips_error_clear();
	if (code == 0)
		put(r, out);
	return code == 0;
}

/* What is saved has no profile, and is taken for sRGB. */
static int
make_srgb(struct run *r)
{
	VipsInterpretation is = r->vips->vips_image_get_interpretation(r->image);
	VipsInterpretation to =
	    is == VIPS_INTERPRETATION_GREY16 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	VipsImage *out = NULL;

	if ((r->to_profile && apply_profile(r)) || is == VIPS_INTERPRETATION_sRGB ||
	    is == VIPS_INTERPRETATION_B_W)
		return 0;
	if (r->vips->vips_colourspace(r->image, &out, to, NULL) != 0)
		return give_up(r);
	put(r, out);
	return 0;
}

static int
cut(struct run *r)
{
	const unsigned *crop = r->wish.crop;
	unsigned width = (unsigned)r->vips->vips_image_get_width(r->image);
	unsigned height = (unsigned)r->vips->vips_image_get_height(r->image);
	VipsImage *out = NULL;

	if (crop[0] >= width || crop[1] >= height || crop[2] > width - crop[0] ||
	    crop[3] > height - crop[1])
		return refuse(r->call, 422, "The crop is not within the picture.");
	if (r->vips->vips_extract_area(r->image, &out, (int)crop[0], (int)crop[1], (int)crop[2],
				       (int)crop[3], NULL) != 0)
		return give_up(r);
	put(r, out);
	return 0;
}

/* JPEG has no transparency: what shows through is white. */
static int
make_opaque(struct run *r)
{
	static const double white[] = { 255, 255, 255 };
	VipsArrayDouble *background;
	VipsImage *out = NULL;
	int code;

	if (!r->vips->vips_image_hasalpha(r->image))
		return 0;
	background = r->vips->vips_array_double_new(white, 3);
	code = r->vips->vips_flatten(r->image, &out, "background", background, NULL);
	r->vips->vips_area_unref((VipsArea *)background);
	if (code != 0)
		return give_up(r);
	put(r, out);
	return 0;
}

/* --- the result ---------------------------------------------------------------------------- */

static enum probe_format
format_of(const struct run *r)
{
	static const enum probe_format formats[] = {
		[TO_JPEG] = PROBE_JPEG,
		[TO_PNG] = PROBE_PNG,
		[TO_WEBP] = PROBE_WEBP,
	};

	return r->params->to == TO_SAME ? r->probe.format : formats[r->params->to];
}

static int
save(struct run *r, enum probe_format format, void **bytes, size_t *len)
{
	int quality = (int)r->params->quality;

	switch (format) {
	case PROBE_PNG:
		return r->vips->vips_pngsave_buffer(r->image, bytes, len, "strip", TRUE, NULL);
	case PROBE_WEBP:
		return r->vips->vips_webpsave_buffer(r->image, bytes, len, "strip", TRUE, "Q",
						     quality, NULL);
	default:
		return r->vips->vips_jpegsave_buffer(r->image, bytes, len, "strip", TRUE, "Q",
						     quality, "optimize_coding", TRUE, NULL);
	}
}

static int
deliver(struct run *r)
{
	static const char *const types[] = {
		[PROBE_JPEG] = "image/jpeg",
		[PROBE_PNG] = "image/png",
		[PROBE_WEBP] = "image/webp",
	};
	enum probe_format format = format_of(r);
	void *bytes = NULL;
	size_t len = 0;
	int code, err = format == PROBE_JPEG ? make_opaque(r) : 0;

	if (err)
		return err;
	watch(r);
	code = save(r, format, &bytes, &len);
	TAKE_OVER(r);
	if (code != 0)
		return give_up(r);
	if (format == PROBE_WEBP)
		len = webp_strip(bytes, len);
	err = forebay_set_type(r->call, types[format]);
	if (!err)
		err = forebay_write(r->call, bytes, len);
	r->vips->g_free(bytes);
	return err;
}

/* A crop is of the picture as it came, so all of it is decoded; else only what is needed. */
static int
prepare(struct run *r)
{
	bool is_cut = r->wish.crop[2] > 0, is_sized = r->wish.width || r->wish.height;
	int err = open_head(r);

	if (!err && is_sized && !is_cut) {
		put(r, NULL);
		return make_smaller(r);
	}
	if (!err)
		err = turn_upright(r);
	if (!err && is_cut)
		err = cut(r);
	if (!err)
		err = make_srgb(r);
	return err || !is_sized ? err : make_smaller(r);
}

/* With both sides that is how large the result will be, and libvips makes all of it to cut it. */
static bool
is_wish_too_large(const struct run *r)
{
	const struct image_params *p = r->params;
	bool is_exact = p->fit == FIT_FILL || (p->fit == FIT_COVER && p->enlarge);

	return is_exact && (uint64_t)r->wish.width * r->wish.height > p->max_pixels;
}

static int
check(struct run *r)
{
	struct forebay_call *c = r->call;
	const struct image_params *p = r->params;

	if (!read_side(p->width, &r->wish.width) || !read_side(p->height, &r->wish.height) ||
	    !read_crop(p->crop, r->wish.crop))
		return refuse(
		    c, 400, "Width and height are numbers up to 16383, crop is X,Y,WIDTH,HEIGHT.");
	if (!probe_image(c->input.at, c->input.len, &r->probe))
		return refuse(c, 415, "That is no JPEG, PNG or WebP.");
	if (probe_pixels(&r->probe) > p->max_pixels || is_wish_too_large(r))
		return refuse_size(r);
	return GO_ON;
}

static int
image_run(struct forebay_call *c)
{
	struct run r = { .call = c,
			 .vips = (const struct library *)c->module,
			 .params = (const struct image_params *)c->params };
	int err = check(&r);

	if (!err)
		err = prepare(&r);
	if (!err)
		err = deliver(&r);
	put(&r, NULL);
	return err == ANSWERED ? 0 : err;
}

/* One that is refused costs nothing, however large it is. */
static uint64_t
image_units(const struct forebay_hint *h)
{
	const struct image_params *params = (const struct image_params *)h->params;
	struct probe p;

	if (!probe_image(h->input.at, h->input.len, &p) || probe_pixels(&p) > params->max_pixels)
		return FIXED_PIXELS;
	return probe_pixels(&p) + FIXED_PIXELS;
}

/* --- the module ------------------------------------------------------------------------------ */

static int
find_functions(struct forebay_setup *s, struct library *l)
{
	struct {
		const char *name;
		void *at; /* where its address goes */
	} wanted[] = {
#define FUNCTION(name) { #name, &l->name },
		LIBRARY_FUNCTIONS
#undef FUNCTION
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		void *address = dlsym(l->handle, wanted[i].name);

		if (!address)
			return forebay_refuse(s, "libvips has no %s", wanted[i].name);
		memcpy(wanted[i].at, &address, sizeof(address));
	}
	return 0;
}

static int
image_init(struct forebay_setup *s)
{
	static struct library library;
	int err;

	library.handle = dlopen(VIPS_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!library.handle)
		return forebay_refuse(s, "%s", dlerror());
	err = find_functions(s, &library);
	if (err)
		return err;
	if (library.vips_init("forebay") != 0)
		return forebay_refuse(s, "libvips: %s", library.vips_error_buffer());
	/* Threads of pools are the ones that compute; nothing is worth keeping between two runs;
	 * no code is made at run time, which the sandbox would not have; and nothing but the
	 * loaders that libvips itself trusts. */
	library.vips_concurrency_set(1);
	library.vips_cache_set_max(0);
	library.vips_vector_set_enabled(FALSE);
	library.vips_block_untrusted_set(TRUE);
	s->module = &library;
	return 0;
}

static const char *const fits[] = { "inside", "cover", "fill", NULL };
static const char *const formats[] = { "same", "jpeg", "png", "webp", NULL };

static const struct forebay_param params[] = {
	{ .name = "width",
	  .type = FOREBAY_TEMPLATE,
	  FOREBAY_FIELD(struct image_params, width),
	  .flags = FOREBAY_OPTIONAL,
	  .help = "of the result, in pixels; without it, it follows the height" },
	{ .name = "height",
	  .type = FOREBAY_TEMPLATE,
	  FOREBAY_FIELD(struct image_params, height),
	  .flags = FOREBAY_OPTIONAL,
	  .help = "of the result, in pixels; without it, it follows the width" },
	{ .name = "crop",
	  .type = FOREBAY_TEMPLATE,
	  FOREBAY_FIELD(struct image_params, crop),
	  .flags = FOREBAY_OPTIONAL,
	  .help =
	      "X,Y,WIDTH,HEIGHT of the picture as it is seen; cut out before it is made smaller" },
	{ .name = "fit",
	  .type = FOREBAY_WORD,
	  FOREBAY_FIELD(struct image_params, fit),
	  .def = "inside",
	  .words = fits,
	  .help = "with both sides: all of it within them, as much of its middle as fills them, or "
		  "stretched" },
	{ .name = "enlarge",
	  .type = FOREBAY_BOOL,
	  FOREBAY_FIELD(struct image_params, enlarge),
	  .def = "no",
	  .help = "a picture that is smaller than that becomes larger" },
	{ .name = "format",
	  .type = FOREBAY_WORD,
	  FOREBAY_FIELD(struct image_params, to),
	  .def = "same",
	  .words = formats,
	  .help = "of the result; same: the one that it came in" },
	{ .name = "quality",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct image_params, quality),
	  .def = "80",
	  .min = 1,
	  .max = 100,
	  .help = "of JPEG and WebP" },
	{ .name = "max_pixels",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct image_params, max_pixels),
	  .def = "50000000",
	  .min = 1,
	  .max = INT64_C(1) << 40,
	  .help = "of a picture and of what is made of it; more is refused with 413 before "
		  "anything is decoded" },
	FOREBAY_PARAMS_END
};

static const struct forebay_job jobs[] = {
	{ .name = "image",
	  .help = "a picture made smaller, cropped, converted; without metadata",
	  .params = params,
	  .params_size = sizeof(struct image_params),
	  .run = image_run,
	  .units = image_units },
	FOREBAY_JOBS_END
};

const struct forebay_module forebay_module = {
	FOREBAY_MODULE_HEAD,       .name = "image", .version = MODULE_VERSION,
	.init = image_init,        .jobs = jobs,    .flags = FOREBAY_ISOLATE,
	.max_memory = MEMORY_BYTES
};
