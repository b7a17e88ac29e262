// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// node render_page.js PAGE [picture]: what a browser shows of a page that
// memkv_bench made: runs its script, and prints the page with what the script
// has put into it; or of that the first picture alone, nothing if there is
// none. Leaves with an error if the script does.

'use strict';
const fs = require('fs');
const vm = require('vm');

const page = fs.readFileSync(process.argv[2], 'utf8');
const [body, rest] = page.split('<script type="application/json" id="data">');
const [json, scripts] = rest.split(/<\/script>([^]*)/);
const script = scripts.split('<script>')[1].split('</script>')[0];

const elements = { data: { textContent: json }, page: {} };
vm.runInNewContext(
    script, { document: { getElementById: id => elements[id] } },
    { filename: process.argv[2] });
const shown = elements.page.innerHTML;
process.stdout.write(process.argv[3] === 'picture' ?
    (shown.match(/<svg[^]*?<\/svg>\n/) || [''])[0] :
    body.replace('<div id="page"></div>', () => shown) + '\n');
