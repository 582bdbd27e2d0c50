// A PHP of any version, used like the command `php`: node php.mjs 8.5 [arguments of php]
//
// It sees this repository, and the folders of files that are named in the arguments.
import { readSync, writeSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { PHP, loadPHPRuntime } from '@php-wasm/universal';

const [version, ...words] = process.argv.slice(2);
const repository = resolve(import.meta.dirname, '../..');
const folders = new Set([repository, ...words.filter(isAbsolute).map(dirname)]);

function connect(machine) {
	// The library hands output over when the script has ended, and cannot wait for input.
	// A script that answers line by line needs both at once.
	for (const [name, handle] of [['onStdout', 1], ['onStderr', 2]]) {
		Object.defineProperty(machine, name, {
			get: () => (chunk) => writeAll(handle, chunk),
			set: () => {},
		});
	}
	const input = machine.FS.getStream(0);
	const read = (_stream, buffer, offset, length) => readSync(0, buffer, offset, length);
	input.stream_ops = { ...input.stream_ops, read };
	for (const folder of folders) {
		machine.FS.mkdirTree(folder);
		machine.FS.mount(machine.FS.filesystems.NODEFS, { root: folder }, folder);
	}
}

function writeAll(handle, chunk) {
	for (let written = 0; written < chunk.length; ) {
		written += writeSync(handle, chunk, written);
	}
}

const { getPHPLoaderModule } = await import(`@php-wasm/node-${version.replace('.', '-')}`);
const runtime = await loadPHPRuntime(await getPHPLoaderModule(), { onRuntimeInitialized: connect });
const response = await new PHP(runtime).cli(['php', ...words]);
process.exitCode = await response.exitCode;
