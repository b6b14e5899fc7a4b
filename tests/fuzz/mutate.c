/* SPDX-License-Identifier: MIT */
#include "mutate.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CHANGES_MAX 8

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* a number below `limit`, which is not 0 */
static size_t below(uint64_t *state, size_t limit)
{
    return (size_t)(draw(state) % limit);
}

/* an input that is being changed */
struct draft {
    uint8_t *bytes;
    size_t length;
    uint64_t *state;
    const struct mutate_corpus *corpus;
};

/* --- parts --- */

struct part {
    size_t at;
    size_t length;
};

/* Some bytes of `length`. Short parts are more likely, and sometimes the part is a whole line. */
static struct part draw_part(struct draft *draft, const uint8_t *bytes, size_t length)
{
    struct part part = {below(draft->state, length + 1), 0};
    const uint8_t *end;

    if (part.at < length && below(draft->state, 4) == 0) {
        while (part.at > 0 && bytes[part.at - 1] != '\n') {
            part.at--;
        }
        end = memchr(bytes + part.at, '\n', length - part.at);
        part.length = end != NULL ? (size_t)(end - bytes) + 1 - part.at : length - part.at;
    } else {
        part.length = below(draft->state, length - part.at + 1);
        part.length = below(draft->state, part.length + 1);
    }
    return part;
}

static void insert(struct draft *draft, size_t at, const uint8_t *bytes, size_t length)
{
    if (length > MUTATE_MAX - draft->length) {
        length = MUTATE_MAX - draft->length;
    }
    memmove(draft->bytes + at + length, draft->bytes + at, draft->length - at);
    memcpy(draft->bytes + at, bytes, length);
    draft->length += length;
}

static void cut(struct draft *draft, struct part part)
{
    memmove(draft->bytes + part.at, draft->bytes + part.at + part.length,
            draft->length - part.at - part.length);
    draft->length -= part.length;
}

/* --- changes --- */

static void change_bit(struct draft *draft)
{
    draft->bytes[below(draft->state, draft->length)] ^= (uint8_t)(1 << below(draft->state, 8));
}

/* bytes that end or begin something in one of the formats that are read */
static void change_byte(struct draft *draft)
{
    static const uint8_t special[] = "\0\1\t\n\r \"#%&'()*+,-./0123456789:;<=>?@AZ[\\]^_az{|}~"
                                     "\x7f\x80\xbf\xc2\xe2\xf4\xff";
    uint8_t byte = below(draft->state, 4) == 0 ? (uint8_t)draw(draft->state)
                                               : special[below(draft->state, sizeof(special) - 1)];

    draft->bytes[below(draft->state, draft->length)] = byte;
}

static void insert_special(struct draft *draft)
{
    static const char *const texts[] = {"\r\n",
                                        "\n",
                                        "\r\n\r\n",
                                        "%00",
                                        "%2e%2e",
                                        "%ff",
                                        "\xe2\x80\xae",
                                        "\xf0\x9f\x91\x8d",
                                        "::1",
                                        "0",
                                        "-1",
                                        "1e9",
                                        "\"",
                                        "{",
                                        "[",
                                        ", ",
                                        "=",
                                        "/",
                                        " ",
                                        "\\u0000",
                                        "NaN",
                                        "../",
                                        "127.0.0.1",
                                        "[::]:1"};
    const char *text = texts[below(draft->state, sizeof(texts) / sizeof(texts[0]))];

    insert(draft, below(draft->state, draft->length + 1), (const uint8_t *)text, strlen(text));
}

/* the first number at or after a random place becomes one at the edge of a type */
static void change_number(struct draft *draft)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "2",
                                          "9",
                                          "255",
                                          "256",
                                          "999",
                                          "1000",
                                          "1001",
                                          "2147483647",
                                          "2147483648",
                                          "4294967295",
                                          "4294967296",
                                          "9007199254740991",
                                          "9007199254740992",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "99999999999999999999999999999999999999"};
    const char *number = numbers[below(draft->state, sizeof(numbers) / sizeof(numbers[0]))];
    struct part digits = {below(draft->state, draft->length), 0};

    while (digits.at < draft->length && !isdigit(draft->bytes[digits.at])) {
        digits.at++;
    }
    while (digits.at + digits.length < draft->length &&
           isdigit(draft->bytes[digits.at + digits.length])) {
        digits.length++;
    }
    if (digits.length != 0) {
        cut(draft, digits);
        insert(draft, digits.at, (const uint8_t *)number, strlen(number));
    }
}

static void remove_part(struct draft *draft)
{
    cut(draft, draw_part(draft, draft->bytes, draft->length));
}

static void repeat_part(struct draft *draft)
{
    struct part part = draw_part(draft, draft->bytes, draft->length);
    uint8_t copy[MUTATE_MAX];
    size_t times = below(draft->state, 8) == 0 ? 1 + below(draft->state, 200) : 1;

    memcpy(copy, draft->bytes + part.at, part.length);
    for (size_t i = 0; i < times && part.length <= MUTATE_MAX - draft->length; i++) {
        insert(draft, part.at + part.length, copy, part.length);
    }
}

static void move_part(struct draft *draft)
{
    struct part part = draw_part(draft, draft->bytes, draft->length);
    uint8_t copy[MUTATE_MAX];

    memcpy(copy, draft->bytes + part.at, part.length);
    cut(draft, part);
    insert(draft, below(draft->state, draft->length + 1), copy, part.length);
}

/* a part of another input, in place of a part or between two bytes */
static void take_part(struct draft *draft)
{
    const struct mutate_input *other =
        &draft->corpus->inputs[below(draft->state, draft->corpus->count)];
    struct part part = draw_part(draft, other->bytes, other->length);
    struct part place = draw_part(draft, draft->bytes, draft->length);

    if (below(draft->state, 2) == 0) {
        cut(draft, place);
    }
    insert(draft, place.at, other->bytes + part.at, part.length);
}

static void change_draft(struct draft *draft)
{
    static void (*const changes[])(struct draft * draft) = {
        change_bit,  change_byte, insert_special, change_number,
        remove_part, repeat_part, move_part,      take_part};

    if (draft->length == 0) {
        insert_special(draft);
    } else {
        changes[below(draft->state, sizeof(changes) / sizeof(changes[0]))](draft);
    }
}

size_t mutate(const struct mutate_corpus *corpus, uint64_t *state, uint8_t *out)
{
    const struct mutate_input *input = &corpus->inputs[below(state, corpus->count)];
    struct draft draft = {out, 0, state, corpus};
    size_t changes = 1 + below(state, CHANGES_MAX);

    insert(&draft, 0, input->bytes, input->length);
    while (changes-- != 0) {
        change_draft(&draft);
    }
    return draft.length;
}
