# SPDX-License-Identifier: MIT
"""The toy: a page that increments a key in Redis and shows the number."""

import os

import flask
import redis

app = flask.Flask(__name__)
store = redis.Redis(unix_socket_path=os.environ["REDIS_SOCKET"])


@app.route("/count")
def count():
    return f"Visitor count: {store.incr('visits')}", {"Cache-Control": "no-store"}
