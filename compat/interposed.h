// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// What memkv-run (tools/memkv_run.cc) puts itself before in RocksDB's shared
// library, by the names of the functions there.  A member function is declared
// as one that takes the object first, which is called in the same way.

#pragma once

#include "compat/version.h"

#define MEMKV_STRING "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"

// ColumnFamilySet::CreateColumnFamily(name, id, dummy_versions, options).  All
// column families of all kinds of databases are made by it.
// MEMKV_READ_ONLY_PARAMETER is the rest of its parameters,
// MEMKV_READ_ONLY_ARGUMENT what passes it on.
#define MEMKV_CREATE_COLUMN_FAMILY_OF_ALL                            \
  "_ZN7rocksdb15ColumnFamilySet18CreateColumnFamilyERK" MEMKV_STRING \
  "jPNS_7VersionERKNS_19ColumnFamilyOptionsE"
#if MEMKV_ROCKSDB >= 1002
#define MEMKV_CREATE_COLUMN_FAMILY MEMKV_CREATE_COLUMN_FAMILY_OF_ALL "b"
#define MEMKV_READ_ONLY_PARAMETER , bool read_only
#define MEMKV_READ_ONLY_ARGUMENT , read_only
#else
#define MEMKV_CREATE_COLUMN_FAMILY MEMKV_CREATE_COLUMN_FAMILY_OF_ALL
#define MEMKV_READ_ONLY_PARAMETER
#define MEMKV_READ_ONLY_ARGUMENT
#endif

// Status ColumnFamilyData::SetOptions(db_options, options_map).  All
// DB::SetOptions() end in it.
#define MEMKV_SET_OPTIONS                                            \
  "_ZN7rocksdb16ColumnFamilyData10SetOptionsERKNS_9DBOptionsERKSt13" \
  "unordered_mapI" MEMKV_STRING                                      \
  "SA_St4hashISA_ESt8equal_toISA_ESaISt4pair"                        \
  "IKSA_SA_EEE"

// Iterator* DBImpl::NewIterator(read_options, column_family).
#define MEMKV_NEW_ITERATOR                         \
  "_ZN7rocksdb6DBImpl11NewIteratorERKNS_11ReadOpt" \
  "ionsEPNS_18ColumnFamilyHandleE"
