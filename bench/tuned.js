// SPDX-License-Identifier: MIT
// COUNT 500, one XACK for a batch. usage: node tuned.js SOCKET redis|ioredis
'use strict';

const { connect, consume } = require('./consume.js');

function handle(fields) {
}

const [path, library] = process.argv.slice(2);
connect(library, path).then((client) => consume(client, 500, (entries) => {
	for (const { fields } of entries)
		handle(fields);
}));
