// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Two peers of hypercore, each with a RocksDB of its own (rocksdb-native):
//
//   node peers.js FOLDER write   a new FOLDER: the writer appends blocks, the
//                                reader downloads them, both verify all
//   node peers.js FOLDER reopen  both are opened again and verified, the writer
//                                appends more, and so on
//   node peers.js FOLDER verify  both are opened and verified
//
// It ends with status 0 if every block, length and tree hash is as it must be.

'use strict'

const assert = require('assert')
const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const Hypercore = require('hypercore')

const BLOCKS = { write: 2000, reopen: 500, verify: 0 } // appended
const SECONDS = 300 // it takes a few
const [folder, phase] = process.argv.slice(2)

const hash = (...parts) => {
  const h = crypto.createHash('sha256')
  for (const part of parts) h.update(part)
  return h.digest()
}

// What block i must hold: 0 bytes to 20 KiB.  hypercore's database keeps those
// from 4096 on in blob files.
function block(i) {
  const seed = hash('block ' + i)
  if (i % 97 === 13) return Buffer.alloc(0)
  const size = i % 50 === 7
    ? 4096 + (seed.readUInt16LE(0) % 16384)
    : 1 + (seed.readUInt16LE(0) % 1024)
  const out = Buffer.alloc(size)
  for (let at = 0, n = 0; at < size; n++) at += hash(seed, String(n)).copy(out, at)
  return out
}

async function open(name, key) {
  const at = path.join(folder, name)
  const core = key ? new Hypercore(at, key) : new Hypercore(at)
  await core.ready()
  return core
}

async function append(core, n) {
  const end = core.length + n
  while (core.length < end) {
    const batch = []
    const i = core.length
    for (let k = 0; k <= i % 40 && i + k < end; k++) batch.push(block(i + k))
    await core.append(batch)
  }
}

// All blocks, by gets and by a walk, from the peer's own database.
async function verify(core, name, length) {
  assert.strictEqual(core.length, length, name)
  let bytes = 0
  for (let i = 0; i < length; i++) {
    const found = await core.get(i, { wait: false })
    assert(found !== null && block(i).equals(found), `${name}: block ${i}`)
    bytes += found.length
  }
  assert.strictEqual(core.byteLength, bytes, name)
  let i = 0
  for await (const found of core.createReadStream({ wait: false })) {
    assert(block(i).equals(found), `${name}: block ${i} of the walk`)
    i++
  }
  assert.strictEqual(i, length, name)
}

async function replicate(writer, reader) {
  const a = writer.replicate(true, { keepAlive: false })
  const b = reader.replicate(false, { keepAlive: false })
  const closed = [a, b].map((stream) =>
    new Promise((resolve) => stream.on('close', resolve).on('error', () => {})))
  a.pipe(b).pipe(a)
  await reader.update({ wait: true })
  while (reader.length < writer.length) {
    await new Promise((resolve) => reader.once('append', resolve))
  }
  await reader.download({ start: 0, end: writer.length }).done()
  a.destroy()
  b.destroy()
  await Promise.all(closed)
  assert.deepStrictEqual(await reader.treeHash(), await writer.treeHash())
}

async function main() {
  assert(phase in BLOCKS, 'usage: node peers.js FOLDER write|reopen|verify')
  if (phase === 'write') fs.mkdirSync(folder)
  const writer = await open('writer')
  const reader = await open('reader', phase === 'write' ? writer.key : null)
  const before = phase === 'write' ? 0 : writer.length
  if (phase !== 'write') {
    assert(before !== 0 && writer.key.equals(reader.key))
    assert(writer.writable && !reader.writable)
    await verify(writer, 'writer, opened again', before)
    await verify(reader, 'reader, opened again', before)
  }
  if (BLOCKS[phase] !== 0) {
    await append(writer, BLOCKS[phase])
    await replicate(writer, reader)
    await verify(writer, 'writer', before + BLOCKS[phase])
    await verify(reader, 'reader', before + BLOCKS[phase])
  }
  const blocks = writer.length
  await writer.close()
  await reader.close()
  console.log(`peers: OK, ${phase}, ${blocks} blocks`)
}

const alarm = setTimeout(() => {
  console.error(`peers: FAILED: not done after ${SECONDS} s`)
  process.exit(1)
}, SECONDS * 1000)
main().then(
  () => clearTimeout(alarm),
  (error) => {
    console.error('peers: FAILED:', error)
    process.exit(1)
  })
