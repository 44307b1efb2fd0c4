import 'siskin/sw';
