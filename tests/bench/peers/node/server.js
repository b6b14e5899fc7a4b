// SPDX-License-Identifier: MIT
// fastify and ioredis, one worker for each core; commands of one turn of the loop share a write.
'use strict';

const cluster = require('node:cluster');
const os = require('node:os');

if (cluster.isPrimary) {
    for (let i = 0; i < os.availableParallelism(); i++) {
        cluster.fork();
    }
    process.on('SIGTERM', () => {
        for (const worker of Object.values(cluster.workers)) {
            worker.kill();
        }
        process.exit(0);
    });
} else {
    const Redis = require('ioredis');
    const app = require('fastify')();
    const redis = new Redis({ path: process.env.REDIS_SOCKET, enableAutoPipelining: true });

    app.get('/count', async (request, reply) => {
        const number = await redis.incr('visits');
        reply.header('Cache-Control', 'no-store');
        return `Visitor count: ${number}`;
    });
    app.listen({ host: '127.0.0.1', port: Number(process.env.PORT), backlog: 4096 });
}
