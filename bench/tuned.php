<?php
// SPDX-License-Identifier: MIT
// COUNT 500, one XACK for a batch, with phpredis. usage: php tuned.php SOCKET
function handle($fields)
{
}

$connection = new Redis();
$connection->connect($argv[1]);
$connection->setOption(Redis::OPT_READ_TIMEOUT, -1);
while (true) {
    $replies = $connection->xReadGroup('bench', 'bench', ['bench' => '>'], 500, 5000);
    foreach ($replies ?: [] as $stream => $entries) {
        foreach ($entries as $fields) {
            handle($fields);
        }
        $connection->xAck($stream, 'bench', array_keys($entries));
    }
}
