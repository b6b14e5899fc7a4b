/* SPDX-License-Identifier: MIT */
#include "http/render/badge.h"

#include "base/utf8.h"
#include "http/render/colour.h"
#include "http/render/font.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/** The geometry of a style; lengths in pixels. */
struct look {
    const char *name;
    unsigned height;
    unsigned radius; /* radius of the corners; 0: sharp */
    unsigned padding;
    unsigned nudge; /* shift of the texts towards the outer ends if there are two */
    double font_size;
    double spacing;  /* space after each character */
    double baseline; /* distance from the top */
    bool has_shadow;
    bool is_loud;         /* capitals, with the message in bold */
    const char *gradient; /* gradient stops of the overlay; NULL: no overlay */
};

static const struct look looks[] = {
#define STYLE(id, name, ...) [BADGE_##id] = {name, __VA_ARGS__},
#include "http/render/badge_styles.def"
#undef STYLE
};

bool badge_parse_style(const char *text, size_t length, enum badge_style *ret_style)
{
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        if (strlen(looks[i].name) == length && memcmp(looks[i].name, text, length) == 0) {
            *ret_style = (enum badge_style)i;
            return true;
        }
    }
    return false;
}

const char *badge_style_name(enum badge_style style)
{
    return looks[style].name;
}

const char *badge_style_list(void)
{
    static const char list[] =
#define STYLE(id, name, ...) ", " name
#include "http/render/badge_styles.def"
#undef STYLE
        ;

    return list + 2; /* without the first comma */
}

/* Texts */

/** Whether badge_put_text() keeps the character. */
static bool is_shown(unsigned character)
{
    bool is_control = character < 0x20 || (character >= 0x7f && character < 0xa0);
    bool is_direction = character == 0x200e || character == 0x200f || character == 0x61c ||
                        (character >= 0x202a && character <= 0x202e) ||
                        (character >= 0x2066 && character <= 0x2069);
    bool is_no_character = (character & 0xfffe) == 0xfffe;

    return !is_control && !is_direction && !is_no_character;
}

bool badge_put_text(struct buf *out, const char *text, size_t length)
{
    bool wants_space = false;
    size_t characters = 0;
    size_t at = 0;

    while (at < length) {
        size_t sequence = utf8_sequence_length(text + at, length - at);
        unsigned character = sequence != 0 ? utf8_decode(text + at, sequence) : 0xfffd;

        if (character == ' ' || (character >= '\t' && character <= '\r')) {
            wants_space = characters != 0;
        } else if (is_shown(character)) {
            characters += wants_space ? 2 : 1;
            if (characters > BADGE_TEXT_MAX) {
                return false;
            }
            buf_puts(out, wants_space ? " " : "");
            buf_append(out, sequence != 0 ? text + at : "\xef\xbf\xbd",
                       sequence != 0 ? sequence : 3);
            wants_space = false;
        }
        at += sequence != 0 ? sequence : 1;
    }
    return true;
}

static void put_utf8(struct buf *out, unsigned character)
{
    if (character < 0x80) {
        buf_putc(out, (char)character);
        return;
    }
    if (character < 0x800) {
        buf_putc(out, (char)(0xc0 | character >> 6));
    } else {
        if (character < 0x10000) {
            buf_putc(out, (char)(0xe0 | character >> 12));
        } else {
            buf_putc(out, (char)(0xf0 | character >> 18));
            buf_putc(out, (char)(0x80 | (character >> 12 & 0x3f)));
        }
        buf_putc(out, (char)(0x80 | (character >> 6 & 0x3f)));
    }
    buf_putc(out, (char)(0x80 | (character & 0x3f)));
}

/** Appends valid UTF-8 in capitals. Independent of the process's locale. */
static void put_capitals(struct buf *out, const char *text)
{
    static locale_t locale;
    size_t left = strlen(text);

    if (locale == NULL) {
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL); /* built into glibc */
        if (locale == NULL) {
            abort();
        }
    }
    while (left != 0) {
        size_t sequence = utf8_sequence_length(text, left);

        put_utf8(out, (unsigned)towupper_l((wint_t)utf8_decode(text, sequence), locale));
        text += sequence;
        left -= sequence;
    }
}

/* Drawing */

/** Half of a badge: its text and its position. */
struct half {
    struct buf text;
    uint32_t rgb;
    bool is_bold;
    unsigned x;
    unsigned width;      /* 0: no such half */
    double text_x;       /* the text's middle */
    unsigned text_width; /* width to fit, whatever font the browser uses */
};

static size_t count_characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static void init_half(struct half *half, const struct look *look, const char *text, uint32_t rgb)
{
    *half = (struct half){.rgb = rgb};
    if (look->is_loud) {
        put_capitals(&half->text, text);
    } else {
        buf_puts(&half->text, text);
    }
}

/** Computes the geometry of a half that begins at `x`. */
static void lay_out_half(struct half *half, const struct look *look, unsigned x)
{
    double width;

    half->x = x;
    if (half->text.length == 0) {
        return;
    }
    width = font_text_width(half->text.bytes, half->text.length, half->is_bold, look->font_size) +
            look->spacing * (double)count_characters(half->text.bytes);
    /* odd, so that the text's middle is in the middle of a pixel */
    half->text_width = (unsigned)(width + 0.5) | 1;
    half->width = half->text_width + 2 * look->padding;
    half->text_x = x + half->width / 2.0;
}

static void put_tenths(struct buf *out, double pixels)
{
    buf_put_u64(out, (uint64_t)(pixels * 10 + 0.5));
}

/** Appends a text element. It is drawn ten times as large and scaled down, for exact positions. */
static void put_text(struct buf *out, const struct half *half, double baseline, const char *paint)
{
    buf_puts(out, "<text x=\"");
    put_tenths(out, half->text_x);
    buf_puts(out, "\" y=\"");
    put_tenths(out, baseline);
    buf_puts(out, "\" transform=\"scale(.1)\" textLength=\"");
    put_tenths(out, half->text_width);
    buf_printf(out, "\"%s%s>", half->is_bold ? " font-weight=\"bold\"" : "", paint);
    buf_put_xml(out, half->text.bytes, half->text.length);
    buf_puts(out, "</text>");
}

static void put_half_text(struct buf *out, const struct half *half, const struct look *look)
{
    bool is_dark_text = colour_is_light(half->rgb);

    if (half->width == 0) {
        return;
    }
    if (look->has_shadow) {
        put_text(out, half, look->baseline + 1,
                 is_dark_text ? " aria-hidden=\"true\" fill=\"#ccc\" fill-opacity=\".3\""
                              : " aria-hidden=\"true\" fill=\"#010101\" fill-opacity=\".3\"");
    }
    put_text(out, half, look->baseline, is_dark_text ? " fill=\"#333\"" : " fill=\"#fff\"");
}

static void put_half_box(struct buf *out, const struct half *half, const struct look *look)
{
    if (half->width != 0) {
        buf_printf(out, "<rect x=\"%u\" width=\"%u\" height=\"%u\" fill=\"#%06x\"/>", half->x,
                   half->width, look->height, half->rgb);
    }
}

/** Appends the boxes behind the texts. */
static void put_boxes(struct buf *out, const struct half halves[2], const struct look *look,
                      unsigned width)
{
    if (look->gradient != NULL) {
        buf_printf(out, "<linearGradient id=\"s\" x2=\"0\" y2=\"100%%\">%s</linearGradient>",
                   look->gradient);
    }
    if (look->radius != 0) {
        buf_printf(out,
                   "<clipPath id=\"r\"><rect width=\"%u\" height=\"%u\" rx=\"%u\"/></clipPath>"
                   "<g clip-path=\"url(#r)\">",
                   width, look->height, look->radius);
    } else {
        buf_puts(out, "<g shape-rendering=\"crispEdges\">");
    }
    put_half_box(out, &halves[0], look);
    put_half_box(out, &halves[1], look);
    if (look->gradient != NULL) {
        buf_printf(out, "<rect width=\"%u\" height=\"%u\" fill=\"url(#s)\"/>", width, look->height);
    }
    buf_puts(out, "</g>");
}

/** Appends the start of the document, with its title for screen readers. */
static void put_head(struct buf *out, const struct badge *badge, unsigned width, unsigned height)
{
    struct buf name = BUF_EMPTY;

    buf_put_xml(&name, badge->label, strlen(badge->label));
    buf_puts(&name, badge->label[0] != '\0' ? ": " : "");
    buf_put_xml(&name, badge->message, strlen(badge->message));
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" role=\"img\" "
               "aria-label=\"%s\"><title>%s</title>",
               width, height, name.bytes, name.bytes);
    buf_finish(&name);
}

void badge_render(struct buf *out, const struct badge *badge)
{
    const struct look *look = &looks[badge->style];
    struct half halves[2];
    unsigned width;

    init_half(&halves[0], look, badge->label, badge->label_rgb);
    init_half(&halves[1], look, badge->message, badge->rgb);
    halves[1].is_bold = look->is_loud;
    lay_out_half(&halves[0], look, 0);
    lay_out_half(&halves[1], look, halves[0].width);
    if (halves[0].width != 0) {
        halves[0].text_x += look->nudge;
        halves[1].text_x -= look->nudge;
    }
    width = halves[0].width + halves[1].width;
    put_head(out, badge, width, look->height);
    put_boxes(out, halves, look, width);
    buf_printf(out,
               "<g text-anchor=\"middle\" font-family=\"Verdana,Geneva,DejaVu Sans,sans-serif\" "
               "text-rendering=\"geometricPrecision\" font-size=\"%u\">",
               (unsigned)(look->font_size * 10));
    put_half_text(out, &halves[0], look);
    put_half_text(out, &halves[1], look);
    buf_puts(out, "</g></svg>\n");
    buf_finish(&halves[0].text);
    buf_finish(&halves[1].text);
}
