// SPDX-License-Identifier: MIT
// How the loops for Node read and acknowledge, with either of its two packages.
'use strict';

const BLOCK_MS = 5000;

async function withRedis(path) {
	const client = require('redis').createClient({ socket: { path } });
	client.on('error', (why) => { console.error(why); process.exit(1); });
	await client.connect();
	return {
		async read(count) {
			const replies = await client.xReadGroup('bench', 'bench', [{ key: 'bench', id: '>' }],
				{ COUNT: count, BLOCK: BLOCK_MS });
			return replies ? replies[0].messages.map(({ id, message }) => ({ id, fields: message })) : [];
		},
		ack: (ids) => client.xAck('bench', 'bench', ids),
	};
}

async function withIoredis(path) {
	const Client = require('ioredis');
	const client = new Client(path);
	return {
		async read(count) {
			const replies = await client.xreadgroup('GROUP', 'bench', 'bench', 'COUNT', count,
				'BLOCK', BLOCK_MS, 'STREAMS', 'bench', '>');
			return replies ? replies[0][1].map(([id, fields]) => ({ id, fields })) : [];
		},
		ack: (ids) => client.xack('bench', 'bench', ...ids),
	};
}

exports.connect = (library, path) => (library === 'ioredis' ? withIoredis : withRedis)(path);

// Calls handleAll(entries) for each batch, and acknowledges it when that is done.
exports.consume = async ({ read, ack }, count, handleAll) => {
	for (;;) {
		const entries = await read(count);
		if (!entries.length)
			continue;
		await handleAll(entries);
		await ack(entries.map(({ id }) => id));
	}
};
