// SPDX-License-Identifier: MIT
// A process for each entry, eight at a time. usage: node spawning.js SOCKET redis|ioredis
'use strict';

const { spawn } = require('child_process');
const { connect, consume } = require('./consume.js');

// Done when the process has ended and its output as well.
function run({ fields }) {
	return new Promise((resolve) => {
		const child = spawn('/bin/true');
		child.stdin.on('error', () => {}); // it does not read its input
		child.stdin.end(JSON.stringify(fields) + '\n');
		child.stdout.resume();
		child.stderr.resume();
		child.on('close', resolve);
	});
}

const [path, library] = process.argv.slice(2);
connect(library, path).then((client) => consume(client, 8, (entries) => Promise.all(entries.map(run))));
