// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// node render_page.js PAGE: what a browser shows of a page that memkv_bench
// made: runs its script, and prints the page with what the script has put into
// it. Leaves with an error if the script does.

'use strict';
const fs = require('fs');
const vm = require('vm');

const page = fs.readFileSync(process.argv[2], 'utf8');
const data = '<script type="application/json" id="data">';
const [body, rest] = page.split(data);
const [json, scripts] = rest.split(/<\/script>([^]*)/);
const script = scripts.split('<script>')[1].split('</script>')[0];

const elements = { data: { textContent: json }, head: {}, rest: {} };
vm.runInNewContext(
    script, { document: { getElementById: id => elements[id] } },
    { filename: process.argv[2] });
console.log(body
    .replace('<div id="head"></div>', () => elements.head.innerHTML)
    .replace('<div id="rest"></div>', () => elements.rest.innerHTML));
