/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_command.h"

#include "base/require.h"

#include <string.h>

/* room for "*N\r\n" before the arguments; N is known only at the end */
#define HEAD_ROOM 24

void redis_command_finish(struct redis_command *command)
{
    buf_finish(&command->bytes);
    command->count = 0;
}

void redis_command_begin(struct redis_command *command, const char *name)
{
    buf_clear(&command->bytes);
    buf_reserve(&command->bytes, HEAD_ROOM);
    command->bytes.length = HEAD_ROOM;
    command->count = 0;
    redis_command_add_text(command, name);
}

void redis_command_add(struct redis_command *command, const void *bytes, size_t length)
{
    struct buf *out = &command->bytes;
    char *at;

    require(bytes != NULL || length == 0);
    require(out->length >= HEAD_ROOM);
    buf_reserve(out, U64_DIGITS_MAX + length + sizeof("$\r\n\r\n"));
    at = out->bytes + out->length;
    *at++ = '$';
    at += format_u64(length, at);
    at = mempcpy(at, "\r\n", 2);
    if (length != 0) { /* an empty argument may be NULL, which mempcpy() does not allow */
        at = mempcpy(at, bytes, length);
    }
    at = mempcpy(at, "\r\n", 2);
    out->length = (size_t)(at - out->bytes);
    command->count++;
}

void redis_command_add_text(struct redis_command *command, const char *text)
{
    redis_command_add(command, text, strlen(text));
}

void redis_command_add_u64(struct redis_command *command, uint64_t number)
{
    char digits[U64_DIGITS_MAX];

    redis_command_add(command, digits, format_u64(number, digits));
}

const char *redis_command_bytes(struct redis_command *command, size_t *ret_length)
{
    char head[HEAD_ROOM];
    size_t length = 0;

    require(command->count != 0);
    head[length++] = '*';
    length += format_u64(command->count, head + length);
    head[length++] = '\r';
    head[length++] = '\n';
    memcpy(command->bytes.bytes + HEAD_ROOM - length, head, length);
    *ret_length = command->bytes.length - (HEAD_ROOM - length);
    return command->bytes.bytes + HEAD_ROOM - length;
}
